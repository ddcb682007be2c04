"""What a session says of itself while it runs and at its end: `status`, not too often, and `session.end`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from livemerc.asr.engine import FollowsCues
from livemerc.events import SessionEnd, Status
from livemerc.notation import clock
from livemerc.pipeline.hearing import Hearing
from livemerc.runtime.gauges import Gauges

_LONG_ENOUGH_S = 1.0
"""A session that lasted less has had no time for an utterance."""
QUIET_DBFS = -45.0
"""What is never louder than this, a tenth of a second long, is a microphone that is too low or not the right one."""


def nothing_heard(duration_s: float, loudest_dbfs: float) -> str:
    """A sentence with the mend for a session in which nobody was heard."""
    if loudest_dbfs >= QUIET_DBFS:
        return (
            f"no speech was heard in {clock(duration_s)}, though sounds reached {loudest_dbfs:.0f} dBFS: check that "
            "this is the right source (`livemerc devices`)."
        )
    return (
        f"nothing rose above the noise floor in {clock(duration_s)}: the loudest was {loudest_dbfs:.0f} dBFS, and "
        "speech is mostly above -40; raise the microphone's level, speak closer to it, or choose another "
        "(`livemerc devices`)."
    )


class Reports:
    """For the thread that hands events on. every_s: `live.status_every_s`; cues: of the transcript beside the audio,
    once its engine is there."""

    def __init__(
        self,
        hearing: Hearing,
        gauges: Callable[[], Gauges],
        every_s: float,
        cues: Callable[[], FollowsCues | None] = lambda: None,
    ) -> None:
        self._hearing = hearing
        self._gauges = gauges
        self._every_s = every_s
        self._cues = cues
        self._last_s = 0.0
        self._unheard_told: int | None = None

    def status(self) -> Iterator[Status]:
        """One, if it is time again."""
        now_s = time.monotonic()
        if now_s - self._last_s < self._every_s:
            return
        self._last_s = now_s
        g = self._gauges()
        cues = self._cues()
        self._unheard_told = None if cues is None else cues.cues_unheard()
        yield Status(
            t_s=g.t_s, lag_s=g.lag_s, queued=g.queued, dropped_s=g.dropped_s, overruns=g.overruns,
            level_dbfs=g.level_dbfs, mic=g.mic, degraded=g.degraded,
            cues_unheard=self._unheard_told,
        )  # fmt: skip

    def last_status(self) -> Iterator[Status]:
        """When nobody will speak any more: one, where the transcript's cues end otherwise than the last one told."""
        cues = self._cues()
        if cues is None:
            return
        sentence = cues.last_cue()
        if sentence is not None:
            self._hearing.source.warnings.append(sentence)
        if cues.cues_unheard() != self._unheard_told:
            time.sleep(max(0.0, self._last_s + self._every_s - time.monotonic()))  # no more often than is promised
            yield from self.status()

    def end(self, utterances: int) -> SessionEnd:
        """The last event. A session without any utterance also says why, with the source's warnings."""
        source = self._hearing.source
        health = source.health()
        if not utterances and self._hearing.ears.t_s >= _LONG_ENOUGH_S:
            source.warnings.append(nothing_heard(self._hearing.ears.t_s, self._hearing.loudest_dbfs))
        return SessionEnd(
            duration_s=self._hearing.ears.t_s,
            utterances=utterances,
            dropped_s=health.dropped_s,
            overruns=health.overruns,
        )
