"""One stream of several: what is its own while recogniser, model and their threads are everybody's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from livemerc import __version__
from livemerc.asr.screening import Talk
from livemerc.audio.echo import EchoWatch
from livemerc.audio.items import Speech
from livemerc.audio.source import Source, speakers_of, speed_of
from livemerc.config import Config
from livemerc.events import AsrInfo, CheckpointInfo, Event, SessionEnd, SessionStart, Status, Timing
from livemerc.pipeline.backlog import Backlog
from livemerc.pipeline.deadline import Deadline
from livemerc.pipeline.hearing import Hearing
from livemerc.pipeline.hypotheses import Hypotheses
from livemerc.pipeline.overload import Level
from livemerc.pipeline.patience import Patience, Situation
from livemerc.pipeline.recogniser import Recogniser, without_samples
from livemerc.pipeline.reports import Reports
from livemerc.runtime.clocks import SourceClock
from livemerc.runtime.gauges import Gauges
from livemerc.runtime.notices import Notice, Notices
from livemerc.sessions.recorder import Recorder
from livemerc.streams.batch import Judged, Said
from livemerc.streams.past import Past, Remember, words_of

if TYPE_CHECKING:
    from livemerc.pipeline.dialogue import Dialogue
    from livemerc.pipeline.partials import PartialEstimates


class Stream:
    """What there is of one source. `hearing`, `clock` and `heard` are the hearing thread's; `recogniser`, `talk`,
    `echoes`, `hypotheses` and `patience` the words'; `dialogue`, `partials` and `judged` the model's; `recorder` and
    `reports` the consumer's. The rest is made to be shared."""

    def __init__(
        self, name: str, source: Source, config: Config, deadline: Deadline, queued: Callable[[], dict[str, int]],
        *, past: Past | None = None, remember: Remember | None = None,
    ) -> None:  # fmt: skip
        # Work ahead of the endpoint is a single session's, so nobody asks these ears for it.
        quieter = msgspec.structs.replace(config, live=msgspec.structs.replace(config.live, ahead_budget_ms=0.0))
        self.name = name
        self.source = source
        self.config = config
        self.scope = config.voice
        self.notices = Notices()
        self.clock = SourceClock(speed_of(source))
        self.backlog = Backlog(self.clock, source.live)
        self.hearing = Hearing(source, quieter, self.clock)
        self.reports = Reports(self.hearing, self.gauges, config.live.status_every_s)
        self.situation = Situation(behind_s=self.backlog.behind_s, left_s=deadline.left_s, tell=self.notices.tell)
        self.talk = Talk()
        self.echoes = EchoWatch(on=config.screening.echo)
        self.hypotheses = Hypotheses(config.live.partial_every_s)
        self.recogniser: Recogniser | None = None
        self.patience: Patience | None = None
        self.dialogue: Dialogue | None = None
        self.partials: PartialEstimates | None = None
        self.recorder: Recorder | None = None
        self.thread: threading.Thread | None = None
        self.past = past or Past()
        self.remember = remember
        self.heard = len(self.past.judged)
        """Utterances handed over."""
        self.judged = self.heard
        """Utterances that have their estimates."""
        self.ended = False
        self._queued = queued
        self._began_s = time.monotonic()
        self._started_s: float | None = time.monotonic() if self.past.started else None
        for final in self.past.finals:
            self.talk.heard(without_samples(final, config), words_of(final), config.screening)

    def record(self, folder: Path, checkpoint: CheckpointInfo, *, audio: bool) -> None:
        """Events, and what is heard with `audio`, go to `folder`. Raises `ConfigError` where that cannot be."""
        self.recorder = Recorder(
            folder, source=self.source.name, rate_hz=self.source.rate_hz, speakers=speakers_of(self.source),
            live=self.source.live, checkpoint=checkpoint, config=self.config, audio=audio,
            notice=lambda sentence: self.notices.tell(Notice.RECORDING, sentence),
        )  # fmt: skip
        if audio:
            self.hearing.tap = self.recorder.audio

    @property
    def level(self) -> Level:
        """What is given up now; from any thread."""
        return Level.WELL if self.patience is None else self.patience.level

    def speaks(self, recogniser: Recogniser) -> Recogniser:
        """The recogniser, told whose conversation the next call is of."""
        recogniser.talk = self.talk
        recogniser.language = self.config.asr.language
        return recogniser

    def gauges(self) -> Gauges:
        """The instruments as they stand now; from any thread."""
        health, ears = self.source.health(), self.hearing.ears
        return Gauges(
            t_s=ears.t_s, level_dbfs=ears.level_dbfs, speaking=ears.speaking, lag_s=self.backlog.lag_s,
            queued=self._queued(), dropped_s=health.dropped_s, overruns=health.overruns, mic=health.mic,
            degraded=self.notices.degraded(), elapsed_s=time.monotonic() - self._began_s,
        )  # fmt: skip

    def start(self, labels: list[str], checkpoint: CheckpointInfo, asr: AsrInfo, device: str) -> SessionStart:
        voice = self.scope
        return SessionStart(
            version=__version__, labels=labels, checkpoint=checkpoint, asr=asr, device=device, source=self.source.name,
            started_at=datetime.now(UTC).isoformat(timespec="seconds"), purpose=voice.purpose,
            text_only=voice.text_only, judge_voice_of=None if voice.names is None else list(voice.names),
        )  # fmt: skip

    def end(self) -> SessionEnd:
        return self.reports.end(self.judged)

    def status(self) -> Iterator[Status]:
        """One, if it is time again; none before `session.start` and after `session.end`."""
        if self._started_s is None or self.ended:
            return
        if time.monotonic() - self._started_s >= self.config.live.status_every_s:
            yield from self.reports.status()

    def timing(self, item: Said, judged: Judged) -> Timing:
        """Encoding and fusion took as long for whoever was in the same batch. A file as fast as it goes has no wait."""
        timing = Timing(asr_ms=item.asr_ms, encode_ms=judged.encode_ms, fuse_ms=judged.fuse_ms)
        if not self.source.live:
            return timing
        spoken_s = self.clock.passed_at(item.utterance.end_s)
        return msgspec.structs.replace(
            timing,
            endpoint_wait_ms=(item.utterance.decided_s - item.utterance.end_s) * 1000,
            total_ms=None if spoken_s is None else (time.monotonic() - spoken_s) * 1000,
        )

    def keep(self, event: Event) -> None:
        """Before anybody else gets it: recorded, if it is."""
        if isinstance(event, SessionStart):
            self._started_s = time.monotonic()
        if isinstance(event, SessionEnd):
            self.ended = True
        if self.recorder is not None:
            self.recorder.write(event)
            if self.ended:
                self.recorder.close()

    def let_go(self) -> None:
        """Nobody takes events any more."""
        self.source.close()
        if self.recorder is not None:
            self.recorder.close()

    def may_show(self, speech: Speech) -> bool:
        """Whether anybody should still look at this snapshot: not where the utterance has ended, or all are behind."""
        return self.level < Level.NO_PARTIALS and not self.ended
