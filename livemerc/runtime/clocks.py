"""Source time and the wall's clock."""

from __future__ import annotations

import time
from collections import deque

_BURST_S = 30.0


class WallClock:
    """Source time -> monotonic time, from when blocks arrive: the smallest delay of the last minute counts, so that
    neither a late block nor the drift of the device's clock enters. `pace`: source seconds a second (`--speed`).

    One thread calls `heard`, another `at`: what they share is one number.
    """

    def __init__(self, pace: float = 1.0) -> None:
        self._pace = pace
        self._delays: deque[tuple[float, float]] = deque()
        self._smallest_s: float | None = None

    def heard(self, t_s: float) -> None:
        now = time.monotonic()
        delay = now - t_s / self._pace
        while self._delays and self._delays[-1][1] >= delay:
            self._delays.pop()
        self._delays.append((now, delay))
        while now - self._delays[0][0] > 60.0:
            self._delays.popleft()
        self._smallest_s = self._delays[0][1]

    def at(self, t_s: float) -> float | None:
        delay = self._smallest_s
        return None if delay is None else t_s / self._pace + delay


class DueClock:
    """How far a source would have come at its own pace: what lag is measured against.

    A pipe may deliver an hour in a second: nobody is behind then, the pipe is ahead. So the clock follows what was
    heard, but no faster than `pace` source seconds a second; after a pause (a stalled pipe, a late thread) it may catch
    up to 30 s at once. One thread calls `heard`, any other `now_s`.
    """

    def __init__(self, pace: float = 1.0) -> None:
        self._pace = pace
        self._anchor: tuple[float, float, float] | None = None  # heard, due, and when: replaced as a whole

    def heard(self, t_s: float) -> None:
        now = time.monotonic()
        if self._anchor is None:
            self._anchor = t_s, t_s, now
            return
        _, due_s, then = self._anchor
        self._anchor = t_s, min(due_s + (now - then) * self._pace, t_s + _BURST_S), now

    def now_s(self) -> float:
        """Source time that ought to have been dealt with by now."""
        anchor = self._anchor
        if anchor is None:
            return 0.0
        heard_s, due_s, then = anchor
        return min(heard_s, due_s + (time.monotonic() - then) * self._pace)


class SourceClock:
    """Both clocks of one source: when a sample came, and how far the source would have come at its own pace.

    The ears' thread calls `heard`; whoever pauses calls `restart`; any thread reads.
    """

    def __init__(self, pace: float = 1.0) -> None:
        self._pace = pace
        self._wall, self._due = WallClock(pace), DueClock(pace)

    def heard(self, t_s: float) -> None:
        """Samples up to `t_s` (source time) have come now."""
        self._wall.heard(t_s)
        self._due.heard(t_s)

    def passed_at(self, t_s: float) -> float | None:
        """`time.monotonic()` when the sample at `t_s` had come; None before anything was heard."""
        return self._wall.at(t_s)

    def due_s(self) -> float:
        """Source time that ought to have been dealt with by now."""
        return self._due.now_s()

    def restart(self) -> None:
        """The source was held: what is to come has been put off."""
        self._wall, self._due = WallClock(self._pace), DueClock(self._pace)
