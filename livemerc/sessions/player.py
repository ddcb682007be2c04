"""Plays a journal: the same events in the same order, each when its audio time has come. No torch, no Textual."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from livemerc.events import Event, SessionEnd, Status, UtteranceFinal
from livemerc.runtime.gauges import Gauges
from livemerc.sessions.folder import being_recorded
from livemerc.sessions.journal import Journal, JournalReader

_LOOK_EVERY_S = 0.25
"""How often a journal that still grows is looked at."""


class ReaderLike(Protocol):
    """What a player needs of `JournalReader`."""

    journal: Journal

    def read_new(self) -> list[Event]: ...
    def finish(self) -> None: ...
    def close(self) -> None: ...


class Player:
    """`events()` plays for a reader that waits; `take()` for a screen that polls, and `seek` goes with it.

    An event's time is how far the audio had come: the furthest end of a final or `t_s` of a status (two a second) so
    far. speed: audio seconds a second; 0 = nothing waits. begin_s: what was before comes at once. A journal that is
    still being recorded is followed to its end. clock: seconds, for tests. One thread uses a player; `stop` may come
    from any.
    Raises `InputError` where there is no journal, as `livemerc.sessions.journal.read` does.
    """

    def __init__(
        self, path: Path, *, speed: float = 1.0, begin_s: float = 0.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.path = path
        self.speed = speed
        self.paused = False
        self.position_s = begin_s
        self._clock = clock
        self._moved_s = clock()
        self._looked_s = float("-inf")
        self._stopped = threading.Event()
        self._times_s: list[float] = []
        self._status_at: list[int] = []  # which events are of type status
        self._voiced: list[tuple[float, float]] = []  # (end, start) of the finals, in order
        self._next = 0
        self._reader = self._open()
        self.growing = True
        self._look()
        if not self.growing:
            self.position_s = min(begin_s, self.duration_s)

    @property
    def journal(self) -> Journal:
        return self._reader.journal

    @property
    def duration_s(self) -> float:
        """Audio time of the last event."""
        return self._times_s[-1] if self._times_s else 0.0

    @property
    def taken(self) -> int:
        """How many events, from the first on, have been taken or are before the place sought."""
        return self._next

    @property
    def finished(self) -> bool:
        """Whether everything has been taken and nothing will be appended."""
        return not self.growing and self._next == len(self._times_s)

    def take(self) -> Event | None:
        """The next event if its time has come. Never waits."""
        self._move()
        if self._next == len(self._times_s) or (self.speed and self._times_s[self._next] > self.position_s):
            return None
        self._next += 1
        return self.journal.events[self._next - 1]

    def events(self) -> Iterator[Event]:
        """All events, each in its time; ends with the journal or soon after `stop`."""
        try:
            while not self._stopped.is_set():
                event = self.take()
                if event is not None:
                    yield event
                elif self.finished:
                    return
                else:
                    self._stopped.wait(self._due_in_s())
        finally:
            self.close()

    def seek(self, to_s: float) -> int:
        """Go to an audio time; `take` goes on from there. Returns `taken`."""
        self._move()
        self.position_s = min(max(0.0, to_s), self.duration_s)
        self._next = bisect_right(self._times_s, self.position_s)
        return self._next

    def pause(self, paused: bool) -> None:
        self._move()
        self.paused = paused

    def set_speed(self, speed: float) -> None:
        self._move()
        self.speed = speed

    def stop(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        self._stopped.set()
        self._reader.close()

    def gauges(self) -> Gauges:
        """The instruments as they were recorded, at the place where the replay is."""
        at = bisect_left(self._status_at, self._next)
        status = self.journal.events[self._status_at[at - 1]] if at else None
        here = bisect_left(self._voiced, (self.position_s, 0.0))
        speaking = any(start_s <= self.position_s for _, start_s in self._voiced[here : here + 4])
        if not isinstance(status, Status):
            return Gauges(t_s=self.position_s, speaking=speaking, elapsed_s=self.position_s)
        return Gauges(
            t_s=self.position_s,
            level_dbfs=status.level_dbfs,
            speaking=speaking,
            lag_s=status.lag_s,
            queued=status.queued,
            dropped_s=status.dropped_s,
            overruns=status.overruns,
            mic=status.mic,
            degraded=status.degraded,
            elapsed_s=self.position_s,
        )

    def _open(self) -> ReaderLike:
        return JournalReader(self.path)

    def _grows(self) -> bool:
        """Whether something may still be appended."""
        return being_recorded(self.path)

    # -- time ----------------------------------------------------------------------------------------------------------

    def _move(self) -> None:
        now_s = self._clock()
        if self.growing and now_s - self._looked_s >= _LOOK_EVERY_S:
            self._look()
        if not self.paused and not self._stopped.is_set():
            self.position_s += (now_s - self._moved_s) * self.speed
        self._moved_s = now_s
        # at the edge of a growing journal the replay waits, and goes on with what comes
        if not self.growing or self._next == len(self._times_s):
            self.position_s = min(self.position_s, self.duration_s)

    def _due_in_s(self) -> float:
        if self._next == len(self._times_s) or not self.speed:
            return _LOOK_EVERY_S
        wait_s = (self._times_s[self._next] - self.position_s) / self.speed
        return max(0.001, min(wait_s, _LOOK_EVERY_S) if self.growing else wait_s)

    def _look(self) -> None:
        """Take in what was appended."""
        self._looked_s = self._clock()
        growing = self._grows()  # asked first: what a recorder wrote before it ended is read below
        self._reader.read_new()
        if not growing:
            self._reader.finish()
            self._reader.close()
            self.growing = False
        for index in range(len(self._times_s), len(self.journal.events)):
            event = self.journal.events[index]
            time_s = self.duration_s
            if isinstance(event, Status):
                self._status_at.append(index)
                time_s = max(time_s, event.t_s)
            elif isinstance(event, UtteranceFinal):
                insort(self._voiced, (event.end_s, event.start_s))
                time_s = max(time_s, event.end_s)
            elif isinstance(event, SessionEnd):
                time_s = max(time_s, event.duration_s)
            self._times_s.append(time_s)
