"""When a container's sound is heard: time stamps less the container's start, as players count."""

from __future__ import annotations

from typing import NamedTuple

from livemerc.audio.source import JUMP_S

_GAP_S = 0.04
"""Packets that begin so much later than the last ones ended have a gap before them; less is rounding or jitter."""
_DRIFT_S = 0.04
"""The count of the samples may differ so much from the time stamps before it is set by them."""
_PRIMING_S = 0.2
"""A container that begins so little before 0 begins with what its encoder needed and nobody hears: it begins at 0."""
_RESTART_S = 1.0
"""Time stamps that go back by more have begun anew (files that were joined): the sound goes on where it was."""
_BELIEVED_GAP_S = 30 * 3600.0
_BELIEVED_STREAM_GAP_S = 3600.0
"""A gap that is longer is a clock that was set anew. Broadcast streams are joined more often than others."""


class Place(NamedTuple):
    """Where a piece of sound belongs, in samples since the container's start."""

    start: int
    silence: int
    """Samples of silence to put before it: a gap too short to be told from jitter by whoever hears."""


class PresentationClock:
    """Places decoded pieces in time. Positions are samples at `rate_hz`.

    start_s: the container's start, in its own time stamps; None = that of the first piece. broadcast: a transport
    stream, whose clock may be set anew.
    """

    def __init__(self, rate_hz: int, start_s: float | None, *, broadcast: bool = False) -> None:
        self._rate_hz = rate_hz
        self._zero_s = 0.0 if start_s is not None and -_PRIMING_S < start_s < 0 else start_s
        self._believed_s = _BELIEVED_STREAM_GAP_S if broadcast else _BELIEVED_GAP_S
        self._stamped: int | None = None  # by the time stamps: end of the last piece
        self.position = 0
        """End of what was placed."""

    def place(self, stamp_s: float | None, samples: int) -> Place:
        """Where the next piece of `samples` begins; stamp_s: its time stamp in seconds, None = it has none."""
        place = self._place(stamp_s)
        self.position = place.start + samples
        if self._stamped is not None:
            self._stamped += samples
        return place

    def _place(self, stamp_s: float | None) -> Place:
        if stamp_s is None:
            return Place(self.position, 0)
        if self._zero_s is None:
            self._zero_s = stamp_s
        stamped = round((stamp_s - self._zero_s) * self._rate_hz)
        if self._stamped is None:
            if stamped < 0:  # nothing is heard before the start
                self._zero_s, stamped = stamp_s, 0
            self._stamped = stamped
            return Place(stamped, 0)
        step_s = (stamped - self._stamped) / self._rate_hz
        if step_s < -_RESTART_S or step_s > self._believed_s:
            self._zero_s += step_s
            return Place(self.position, 0)
        self._stamped = stamped
        if step_s > _GAP_S:
            if step_s > JUMP_S:
                return Place(max(self.position, stamped), 0)
            silence = round(step_s * self._rate_hz)
            return Place(self.position + silence, silence)
        if abs(stamped - self.position) > _DRIFT_S * self._rate_hz:
            return Place(stamped, 0)
        return Place(self.position, 0)
