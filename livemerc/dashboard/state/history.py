"""Any moment of a replayed session at once, from copies of the state along the way and the few events since one."""

from __future__ import annotations

from collections.abc import Sequence

from livemerc.dashboard.state.session import SessionState
from livemerc.events import Event

EVENTS_APART = 2000
"""How many events lie between two copies. To apply as many takes about 20 ms; a copy holds the rows, no words."""


class History:
    """Brings a `SessionState` to where it was after the first n events, forwards or back."""

    def __init__(self, state: SessionState, events: Sequence[Event]) -> None:
        self._state = state
        self._events = events  # may grow
        self._copies = [state.copy()]  # [i]: after i * EVENTS_APART events

    def go(self, taken: int) -> None:
        """Time and order are the events' own: the state is as if they had come one by one."""
        nearest = min(taken // EVENTS_APART, len(self._copies) - 1)
        scratch = self._copies[nearest].copy()
        for index in range(nearest * EVENTS_APART, taken):
            scratch.apply(self._events[index])
            if (index + 1) % EVENTS_APART == 0 and (index + 1) // EVENTS_APART == len(self._copies):
                self._copies.append(scratch.copy())
        self._state.become(scratch)
