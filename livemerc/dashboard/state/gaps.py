"""Where a session has not heard: stretches of a pause or of a silent microphone, and audio that was lost."""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass
from typing import Literal

SpanKind = Literal["pause", "deaf"]

_KEPT = 1000


@dataclass(slots=True)
class Span:
    """A stretch in which nothing was heard: by somebody's wish, or for trouble with the microphone."""

    kind: SpanKind
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Lost:
    """Audio that was lost: noticed at `t_s`, `lost_s` long."""

    t_s: float
    lost_s: float


class Gaps:
    """The newest 1,000 of each, in order of time."""

    def __init__(self) -> None:
        self.lost: deque[Lost] = deque(maxlen=_KEPT)
        self.spans: deque[Span] = deque(maxlen=_KEPT)
        self._lost_s = 0.0  # in all
        self._open: Span | None = None  # the one that still lasts

    def note_lost(self, t_s: float, dropped_s: float) -> None:
        """`dropped_s`: what has been lost in all by `t_s`."""
        if dropped_s > self._lost_s + 1e-6:
            self.lost.append(Lost(t_s, dropped_s - self._lost_s))
            self._lost_s = dropped_s

    def note_hearing(self, kind: SpanKind | None, t_s: float) -> None:
        """`kind`: why nothing is heard at `t_s`; None: it is."""
        if self._open is not None:
            self._open.end_s = max(self._open.end_s, t_s)
        if kind != (None if self._open is None else self._open.kind):
            self._open = None
            if kind is not None:
                self._open = Span(kind, t_s, t_s)
                self.spans.append(self._open)

    def copy(self) -> Gaps:
        """One that changes on its own."""
        other = Gaps()
        other.lost = self.lost.copy()
        other.spans = deque(map(copy.copy, self.spans), maxlen=_KEPT)
        other._open = other.spans[-1] if self._open is not None and other.spans else None
        other._lost_s = self._lost_s
        return other
