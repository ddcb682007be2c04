"""What a session says of itself while it runs and at its end: `status`, not too often, and `session.end`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from livemerc.events import SessionEnd, Status
from livemerc.pipeline.hearing import Hearing
from livemerc.runtime.gauges import Gauges


class Reports:
    """For the thread that hands events on. every_s: `live.status_every_s`."""

    def __init__(self, hearing: Hearing, gauges: Callable[[], Gauges], every_s: float) -> None:
        self._hearing = hearing
        self._gauges = gauges
        self._every_s = every_s
        self._last_s = 0.0

    def status(self) -> Iterator[Status]:
        """One, if it is time again."""
        now_s = time.monotonic()
        if now_s - self._last_s < self._every_s:
            return
        self._last_s = now_s
        g = self._gauges()
        yield Status(
            t_s=g.t_s, lag_s=g.lag_s, queued=g.queued, dropped_s=g.dropped_s, overruns=g.overruns,
            level_dbfs=g.level_dbfs, mic=g.mic, degraded=g.degraded,
        )  # fmt: skip

    def end(self, utterances: int) -> SessionEnd:
        """The last event."""
        health = self._hearing.source.health()
        return SessionEnd(
            duration_s=self._hearing.ears.t_s,
            utterances=utterances,
            dropped_s=health.dropped_s,
            overruns=health.overruns,
        )
