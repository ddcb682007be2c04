"""How much time a stop leaves."""

from __future__ import annotations

import time

from livemerc.runtime.lanes import Closed


class Deadline:
    """Of one session. Any thread calls `stop` and `abandon`, any reads.

    within_s: `live.stop_within_s`, seconds in which a stopping session is to end.
    """

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._stopped_s: float | None = None
        self._abandoned = False

    def stop(self) -> None:
        """The time runs from the first call on."""
        if self._stopped_s is None:
            self._stopped_s = time.monotonic()

    def abandon(self) -> None:
        """Nobody takes events any more."""
        self._abandoned = True

    @property
    def stopping(self) -> bool:
        """Whether somebody has asked for the end."""
        return self._stopped_s is not None

    def left_s(self) -> float | None:
        """Seconds that a stopping session has left, None while it goes on. Raises `Closed` when nobody takes events
        any more: then nothing is waited for."""
        if self._abandoned:
            raise Closed
        return None if self._stopped_s is None else self._stopped_s + self._within_s - time.monotonic()

    def is_within(self, share: float) -> bool:
        """Whether less than this share of the time is left; False while the session goes on. Raises `Closed`."""
        left_s = self.left_s()
        return left_s is not None and left_s <= share * self._within_s
