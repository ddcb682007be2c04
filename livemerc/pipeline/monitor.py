"""The monitor: the only place where the stages meet. Offline it runs in one thread, live in three behind lanes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from livemerc.asr.engine import FollowsCues
from livemerc.audio.source import HasRemarks, Resumable, Source, Switchable, speakers_of, speed_of
from livemerc.config import Config
from livemerc.errors import ConfigError, MicrophoneError
from livemerc.events import Event, SessionStart
from livemerc.pipeline.backlog import Backlog
from livemerc.pipeline.deadline import Deadline
from livemerc.pipeline.hearing import Hearing, Tap
from livemerc.pipeline.live_run import LiveRun
from livemerc.pipeline.loader import Engine, Loader
from livemerc.pipeline.offline_run import OfflineRun
from livemerc.pipeline.patience import Situation
from livemerc.pipeline.processor import Processor
from livemerc.pipeline.reports import Reports
from livemerc.pipeline.speculation import Speculation
from livemerc.pipeline.who_speaks import WhoSpeaks
from livemerc.runtime.clocks import SourceClock
from livemerc.runtime.gauges import Gauges
from livemerc.runtime.notices import PAUSED, Notice, Notices
from livemerc.speakers.voiceprints import Consent, checked_name


class Monitor:
    """One session. `events()` once; everything else from any thread.

    engine: the recogniser, or what loads one; None = the one that `config` asks for. `announcements` has what the
    source has to say and, once `session.start` is there, the sentences that name the recogniser and the reason. Raises
    `ModelError` for a checkpoint that is missing, and `ConfigError` where a voice is to be judged that may not be, or
    of a name that no channel has; `events()` raises `LivemercError`.
    """

    def __init__(
        self,
        source: Source,
        config: Config,
        *,
        engine: Engine | None = None,
    ) -> None:
        config.voice.check_channels(speakers_of(source))
        self.source = source
        self.config = config
        self.announcements: list[str] = [*source.remarks] if isinstance(source, HasRemarks) else []
        self.notices = Notices()
        self._began_s = time.monotonic()
        self._loading: str | None = "models"
        self._clock = SourceClock(speed_of(source))
        self._backlog = Backlog(self._clock, source.live)
        self._deadline = Deadline(config.live.stop_within_s)
        self._loader = Loader(source, config, engine, self.announcements.append)
        self._hearing = Hearing(source, config, self._clock)
        reports = Reports(self._hearing, self.gauges, config.live.status_every_s, self._cues)
        self._run: LiveRun | OfflineRun
        if source.live:
            self._run = LiveRun(
                self._hearing, self._load, reports, config.live, self._clock, self._backlog, self._deadline
            )
        else:
            self._run = OfflineRun(self._hearing, self._load, reports)

    def events(self) -> Iterator[Event]:
        """`session.start` first, `session.end` last. Closing the iterator early stops the session without flushing."""
        yield from self._run.events()

    def stop(self) -> None:
        """Stop listening; what was heard is still transcribed and judged, then `session.end` comes. What takes longer
        than `live.stop_within_s` is given up: words and labels then say so, and no utterance is lost."""
        self._deadline.stop()
        self.source.close()

    def tap(self, tap: Tap | None) -> None:
        """`tap` gets every block of the source from now on, in the thread that hears: it must not block."""
        self._hearing.tap = tap

    def switch(self, device: str | int) -> None:
        """The same session goes on with another microphone; nothing to a file or a pipe. Raises `MicrophoneError`, also
        where a voice is judged because it is this microphone's."""
        if self.config.voice.by_channel:
            raise MicrophoneError(
                "--judge-voice-of judges the voice of this microphone's name, and another microphone may hear others; "
                "begin a new session with it."
            )
        if isinstance(self.source, Switchable):
            self.source.switch(device)

    @property
    def paused(self) -> bool:
        return self._hearing.paused

    def pause(self, paused: bool) -> None:
        """Hear nothing from now on, or hear again.

        A source that can wait (a file) waits. The world does not: an open utterance ends, and what is said meanwhile is
        not taken in, neither judged nor recorded; that is no loss. `status.degraded` says so as long as it lasts.
        """
        if paused != self.paused:
            self._hearing.pause(paused)
            self.notices.tell(Notice.PAUSED, PAUSED if paused else None)

    def name_speaker(self, speaker: str, name: str | None) -> None:
        """Call a speaker so from now on, also in what was said before; None = by no name. A `speaker.name` event says
        it. Raises `ConfigError` for what is no name, and where nothing can be said any more."""
        self._who().names.call(speaker, None if name is None else checked_name(name))

    def remember_voice(self, speaker: str, name: str, consent: Consent) -> None:
        """Enrol a speaker's voice under this name. Raises `LivemercError` as `WhoSpeaks.remember` does."""
        self._who().remember(speaker, checked_name(name), consent)

    @property
    def tells_voices_apart(self) -> bool:
        """Whether a speaker's voice may be remembered."""
        return self.config.speakers.diarize

    def _who(self) -> WhoSpeaks:
        processor = self._run.processor
        if processor is None:
            raise ConfigError("nobody has been heard yet; name a speaker once somebody has spoken.")
        return processor.who

    def gauges(self) -> Gauges:
        """The instruments as they stand now."""
        health = self.source.health()
        ears = self._hearing.ears
        return Gauges(
            t_s=ears.t_s,
            level_dbfs=ears.level_dbfs,
            speaking=ears.speaking,
            lag_s=self._backlog.lag_s,
            queued=self._run.queued(),
            dropped_s=health.dropped_s,
            overruns=health.overruns,
            mic=health.mic,
            degraded=self.notices.degraded(),
            elapsed_s=time.monotonic() - self._began_s,
            loading=self._loading,
        )

    def passed_at(self, t_s: float) -> float | None:
        """`time.monotonic()` when the source's sample at `t_s` had come; None before anything was heard."""
        return self._clock.passed_at(t_s)

    @property
    def speculation(self) -> Speculation | None:
        """What was begun before endpoints were certain, and how much was in vain; None while models load."""
        return None if self._run.processor is None else self._run.processor.speculation

    def _cues(self) -> FollowsCues | None:
        if self._run.processor is None:
            return None
        words = self._run.processor.recogniser.engine
        return words if isinstance(words, FollowsCues) else None

    def _load(self, heard_nothing: Callable[[], bool] = lambda: True) -> tuple[Processor, SessionStart]:
        situation = Situation(behind_s=self._backlog.behind_s, left_s=self._deadline.left_s, tell=self.notices.tell)
        loaded = self._loader.load(situation, self._deadline, heard_nothing)
        self._loading = None
        past = self.source.past if isinstance(self.source, Resumable) else None
        if past is not None:
            loaded[0].recogniser.recall(past.finals, self.config.dialogue.context)
        return loaded
