"""What the threads of many streams share: the lanes between them, the streams that there are, and their failures."""

from __future__ import annotations

import threading

from livemerc.audio.items import Quiet, Speech, Utterance
from livemerc.events import Event
from livemerc.runtime.lanes import Lane
from livemerc.runtime.notices import Notice
from livemerc.streams.batch import Said
from livemerc.streams.fair_lane import FairLane
from livemerc.streams.stream import Stream

WAITING_EACH = 8
"""Utterances of one stream that may wait; then its source waits, too."""
EVENTS_WAITING = 4096


class Begin:
    """Goes before all else of a stream."""


class End:
    """Comes after all else."""


Hears = Utterance | Speech | Quiet | Begin | End
"""What waits for the recogniser."""
Worded = Said | Speech | Quiet | Begin | End
"""What waits for the model."""


class Shared:
    """Any thread may use all of it."""

    def __init__(self) -> None:
        self.to_transcribe: FairLane[Hears] = FairLane(WAITING_EACH)
        self.to_judge: FairLane[Worded] = FairLane(WAITING_EACH)
        self.events: Lane[tuple[Stream, Event]] = Lane(EVENTS_WAITING)
        self.failures: dict[str, Exception] = {}
        self.changing = threading.Lock()
        """Held by whoever adds a stream or takes one out."""
        self.streams: dict[str, Stream] = {}
        self.stays = False
        """Whether streams may still be added."""
        self.recogniser_there = threading.Event()
        self.model_there = threading.Event()
        self.untranscribed: set[str] = set()
        """Streams whose end the recogniser has not seen."""

    def all(self) -> list[Stream]:
        """Streams whose `session.end` nobody has taken."""
        with self.changing:
            return list(self.streams.values())

    def speaking(self) -> int:
        """Streams in which somebody speaks now, at least one."""
        return max(1, sum(stream.hearing.ears.speaking for stream in self.all()))

    def queued(self, name: str) -> dict[str, int]:
        """What waits of one stream, and events of all."""
        waiting = {"asr": self.to_transcribe.waiting(), "model": self.to_judge.waiting()}
        return {stage: of.get(name, 0) for stage, of in waiting.items()} | {"events": len(self.events)}

    def tell_all(self, notice: Notice, sentence: str | None) -> None:
        """A part that all share is not as it should be, or is well again."""
        for stream in self.all():
            stream.notices.tell(notice, sentence)

    def send(self, stream: Stream, event: Event) -> None:
        self.events.put((stream, event))

    def forget(self, stream: Stream) -> None:
        """It has come to its end."""
        for lane in (self.to_transcribe, self.to_judge):
            lane.forget(stream.name)
        with self.changing:
            del self.streams[stream.name]

    def abandon(self) -> None:
        """Nobody takes events any more."""
        with self.changing:
            self.stays = False
        for stream in self.all():
            stream.source.close()
        for lane in (self.to_transcribe, self.to_judge, self.events):
            lane.abandon()
