"""The backlog: seconds of source audio that the machine is behind."""

from __future__ import annotations

from livemerc.runtime.clocks import SourceClock


class Backlog:
    """Measured from the oldest utterance that is not dealt with. A source as fast as it goes has none.

    The ears' thread calls `handed_over`, the processor's thread `took`, `emptied`, `loaded` and `behind_s`; any thread
    reads `lag_s`. Each writes whole numbers or None, so no lock is needed.
    """

    def __init__(self, clock: SourceClock, live: bool) -> None:
        self._clock = clock
        self._live = live
        self._working_since_s: float | None = None
        self._inherited_s = 0.0  # lag that loading left behind, and that is no sign of a machine too slow

    def handed_over(self, decided_s: float) -> None:
        """An utterance that was decided at `decided_s` (source time) waits for the processor."""
        if self._working_since_s is None:
            self._working_since_s = decided_s

    def took(self, decided_s: float) -> None:
        """The processor has that utterance in hand."""
        self._working_since_s = decided_s

    def emptied(self) -> None:
        """Nothing waits any more."""
        self._working_since_s = None
        self._inherited_s = 0.0

    def loaded(self) -> None:
        """The models are there: what has piled up meanwhile does not count as lag of their own."""
        since_s = self._working_since_s
        self._inherited_s = 0.0 if since_s is None else max(0.0, self._clock.due_s() - since_s)

    def behind_s(self, decided_s: float) -> float:
        """Lag of an item by this machine's own doing, in seconds of source audio."""
        if not self._live:
            return 0.0
        raw_s = max(0.0, self._clock.due_s() - decided_s)
        self._inherited_s = min(self._inherited_s, raw_s)
        return raw_s - self._inherited_s

    @property
    def lag_s(self) -> float:
        """What `status.lag_s` says: all of it, whoever is to blame."""
        since_s = self._working_since_s
        return 0.0 if since_s is None or not self._live else max(0.0, self._clock.due_s() - since_s)
