"""When the samples of a device were spoken: its own clock against the monotonic one, without jitter and drift.

A device counts samples by a crystal that is some hundred parts per million off (0.7 s in an hour at 200 ppm), may
deliver nothing while it is silent, and loses samples in an overrun. The monotonic clock is right but is read late, by
as much as the interpreter was busy. So: samples are counted, the count follows the monotonic clock slowly, and jumps
where it must.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

JITTER_S = 0.2
"""The count and the clock may differ by this much; more is time in which nothing was delivered."""
_SANE_LATENCY_S = 5.0
_WINDOW_S = 10.0
"""Of the delays in this span the smallest counts: whatever is late is late by chance, never early."""
_SLEW = 0.01
"""The count follows by at most this share of the time: no clock is off by more, and no listener hears it."""


class Smallest:
    """The smallest value of the last `span_s` seconds."""

    def __init__(self, span_s: float = _WINDOW_S) -> None:
        self._span_s = span_s
        self._rising: deque[tuple[float, float]] = deque()

    def push(self, t_s: float, value: float) -> float:
        while self._rising and self._rising[-1][1] >= value:
            self._rising.pop()
        self._rising.append((t_s, value))
        while t_s - self._rising[0][0] > self._span_s:
            self._rising.popleft()
        return self._rising[0][1]


@dataclass(frozen=True, slots=True)
class Measured:
    """Times of one block on the monotonic clock."""

    began_s: float
    """When its first sample met the converter (ADC)."""
    called_s: float
    """When the driver handed it over."""


class ConverterClock:
    """Monotonic times of a stream's blocks."""

    def __init__(self) -> None:
        self._offset = Smallest()
        self._last_current_s: float | None = None

    def measure(self, block_s: float, now_s: float, current_s: float, adc_s: float) -> Measured:
        """`now_s`: monotonic, when the callback ran. `current_s`, `adc_s`: the stream's clock at the call of the
        callback and at the first sample, as PortAudio reports them; some drivers report nonsense.

        PortAudio reads its clock before Python's lock is waited for: the smallest difference of the two clocks is
        their offset, and what a busy interpreter adds is left out.
        """
        latency_s = current_s - adc_s
        stands_still = current_s == self._last_current_s
        self._last_current_s = current_s
        if not 0.0 <= latency_s <= _SANE_LATENCY_S:
            return Measured(now_s - block_s, now_s)  # it came as it filled
        if stands_still:
            return Measured(now_s - latency_s, now_s)
        offset_s = self._offset.push(now_s, now_s - current_s)
        return Measured(adc_s + offset_s, current_s + offset_s)


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a block lies on the session clock."""

    start_s: float
    jump_s: float
    """Time between the block before and this one; 0 = contiguous."""


class SessionClock:
    """Session time by counting samples. `place` block after block; the ends of the blocks never run back."""

    def __init__(self) -> None:
        self.t_s: float | None = None
        """End of the last block; None before the first."""
        self._error = Smallest()
        self._waits = Smallest()  # from a block's place to its call, the part that every block has
        self._correction_s = 0.0
        self._passed = False
        self._early_s = 0.0  # the first sample seemed to be older than the session, which begins with it

    def place(
        self, block_s: float, began_s: float, called_s: float, *, jump: bool = False, lost_s: float = 0.0
    ) -> Placed:
        """A block of `block_s` seconds that began at `began_s` and was handed over at `called_s`, session clock.

        Time was not delivered where both say so: a driver that thinks better of its latency moves the one alone, and
        a sound server that held blocks up the other. jump: samples are missing before it (overflow, another stream),
        its time counts, however near. lost_s: so much is known to be missing.
        """
        if self.t_s is None:
            self._early_s = max(0.0, -began_s)
            return self._begin(max(0.0, began_s), block_s, called_s, 0.0)
        began_s += self._early_s
        if lost_s > 0:
            return self._begin(self.t_s + lost_s, block_s, called_s, lost_s)
        wait_s = called_s - self.t_s
        late_s = wait_s - self._waits.push(called_s, wait_s)
        if jump or self._passed or min(late_s, began_s - self.t_s) > JITTER_S:
            return self._begin(max(self.t_s, began_s), block_s, called_s, max(0.0, began_s - self.t_s))
        # the error of the bare count; its lower edge is the drift, the rest is jitter
        drift_s = self._error.push(began_s, began_s - (self.t_s - self._correction_s))
        most_s = _SLEW * block_s
        step_s = max(-most_s, min(most_s, drift_s - self._correction_s))
        self._correction_s += step_s
        start_s = self.t_s + step_s
        self.t_s = start_s + block_s
        return Placed(start_s, 0.0)

    def pass_to(self, t_s: float) -> None:
        """Nothing was delivered until `t_s`."""
        self.t_s = t_s if self.t_s is None else max(t_s, self.t_s)
        self._passed = True

    def _begin(self, start_s: float, block_s: float, called_s: float, jump_s: float) -> Placed:
        self._error, self._waits, self._correction_s, self._passed = Smallest(), Smallest(), 0.0, False
        self._waits.push(called_s, called_s - start_s)
        self.t_s = start_s + block_s
        return Placed(start_s, jump_s)
