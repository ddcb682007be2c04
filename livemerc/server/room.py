"""One room: who speaks in it, and what of what was said can still be had."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field
from time import monotonic

from livemerc.errors import LivemercError
from livemerc.events import EmotionEvent, Event, SessionEnd, Status, UtteranceFinal, UtterancePartial
from livemerc.protocol import Hello, sent
from livemerc.server.journal import RoomJournal, Said
from livemerc.server.source import Channel, RoomSource

RECENT = 1000
"""Events of any kind that a room keeps."""


class RefusedError(LivemercError):
    """One sentence with the mend, for whoever asked."""


class MovedError(Exception):
    """Another server has this room, or is about to: whoever comes again finds it."""


class TooSlowError(Exception):
    """A reader has fallen behind everything that is kept."""


@dataclass(eq=False)
class Speaker:
    """One source of a room. `connection` counts up with each connection: an older one has nothing to say any more."""

    session: str
    channel: Channel
    connection: int = 0
    replaced: asyncio.Event = field(default_factory=asyncio.Event)
    """Set for a connection when the source has come back on another one."""
    away: asyncio.TimerHandle | None = None


@dataclass(eq=False)
class Room:
    """One session. `seq` numbers its events from 1. `lasting`: what a late reader needs, at most `most`; `recent`: all
    that came last. `gone`: the newest that should last and is not kept any more."""

    name: str
    stream: str
    hello: Hello
    source: RoomSource
    most: int
    lasting: list[tuple[int, str]] = field(default_factory=list)
    recent: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=RECENT))
    gone: int = 0
    speakers: dict[str, Speaker] = field(default_factory=dict)
    readers: set[asyncio.Event] = field(default_factory=set)
    has_room: asyncio.Event = field(default_factory=asyncio.Event)
    seq: int = 0
    over: bool = False
    judged_s: float = 0.0
    """End of the last utterance of which an estimate was sent; those that were decided before it are judged, too."""
    ends_s: dict[str, float] = field(default_factory=dict)
    """Of utterances that wait for theirs."""
    journal: RoomJournal | None = None
    handed_over: bool = False
    """Another server goes on with it: nothing is taken any more, and nothing said."""

    @property
    def speaking(self) -> int:
        """Sources that have not left."""
        return sum(not one.channel.left for one in self.speakers.values())

    def publish(self, event: Event, line: bytes) -> str:
        """Gives it its number; returns it as it is sent. Raises `OSError` where the journal cannot be written."""
        self.seq += 1
        numbered = self.keep(self.seq, event, line)
        self.wake()  # they run when this has returned, so that it is in the journal before anybody gets it
        if self.journal is not None:
            self.journal.write(Said(self.seq, line.decode()))
        return numbered

    def keep(self, seq: int, event: Event, line: bytes) -> str:
        """For whoever reads late."""
        self.seq = seq
        numbered = sent(seq, line)
        self.recent.append((self.seq, numbered))
        if isinstance(event, UtteranceFinal):
            self.ends_s[event.utterance_id] = event.end_s
        elif isinstance(event, EmotionEvent) and event.status == "provisional":
            self.judged_s = max(self.judged_s, self.ends_s.pop(event.utterance_id, 0.0))
        superseded = isinstance(event, Status | UtterancePartial)
        if not superseded and not (isinstance(event, EmotionEvent) and event.status == "partial"):
            self.lasting.append((self.seq, numbered))
            if len(self.lasting) > self.most:
                self.gone = self.lasting.pop(1)[0]  # never the first, which says what all the others are about
        self.over = isinstance(event, SessionEnd)
        return numbered

    def wake(self) -> None:
        for reader in self.readers:
            reader.set()

    def since(self, seq: int) -> list[tuple[int, str]]:
        """Events from `seq` on. Of those that are superseded only the newest are kept."""
        newest_from = self.recent[0][0] if self.recent else self.seq + 1
        older = self.lasting[bisect_left(self.lasting, (seq, "")) : bisect_left(self.lasting, (newest_from, ""))]
        return older + [one for one in self.recent if one[0] >= seq]


class Pace:
    """How much of a live source may be read now: as it is spoken, and `ahead_s` at once."""

    def __init__(self, rate_hz: int, ahead_s: float) -> None:
        self._rate_hz = rate_hz
        self._ahead_s = ahead_s
        self._began_s = monotonic()
        self._samples = 0

    def took(self, samples: int) -> float:
        """Seconds to wait before the next."""
        self._samples += samples
        due_s = self._samples / self._rate_hz - self._ahead_s
        passed_s = monotonic() - self._began_s
        if due_s + self._ahead_s < passed_s:  # it has been slower than the world: that is no credit
            self._began_s, self._samples = monotonic(), 0
        return max(0.0, due_s - passed_s)
