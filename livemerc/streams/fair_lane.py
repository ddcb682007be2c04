"""What waits, of many streams: first come, first served within a stream, and the streams in turn."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

from livemerc.runtime.lanes import Closed

T = TypeVar("T")


class FairLane(Generic[T]):
    """At most `each` items of a stream wait; whoever puts another waits, and with it only its own stream.

    `take` gives the oldest item of each of the streams that have waited longest for their turn. A stream that has
    been served and has more goes behind all others: one that pours waits for those that drip, and never the other way
    round.
    """

    def __init__(self, each: int) -> None:
        self._each = each
        self._waiting: dict[str, deque[T]] = {}
        self._turn: deque[str] = deque()  # streams with something waiting, the next one first
        self._closed = False
        self._abandoned = False
        self._changed = threading.Condition()

    def put(self, stream: str, item: T) -> None:
        """Waits for room. Raises `Closed` once the reader has abandoned the lane."""
        with self._changed:
            mine = self._waiting.setdefault(stream, deque())
            self._changed.wait_for(lambda: len(mine) < self._each or self._abandoned)
            if self._abandoned:
                raise Closed
            mine.append(item)
            if len(mine) == 1:
                self._turn.append(stream)
            self._changed.notify_all()

    def take(self, most: int) -> list[tuple[str, T]]:
        """What is there, of at most `most` streams, one item each; waits for the first. Raises `Closed` at the end."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._turn) or self._closed or self._abandoned)
            if self._abandoned or not self._turn:
                raise Closed
            taken = []
            for stream in [self._turn.popleft() for _ in range(min(most, len(self._turn)))]:
                mine = self._waiting[stream]
                taken.append((stream, mine.popleft()))
                if mine:
                    self._turn.append(stream)
            self._changed.notify_all()
            return taken

    def waiting(self) -> dict[str, int]:
        """How many items of each stream wait; streams without any are left out."""
        with self._changed:
            return {stream: len(mine) for stream, mine in self._waiting.items() if mine}

    def close(self) -> None:
        """Nothing more will come; what is there can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def abandon(self) -> None:
        """The reader is gone: whoever waits to put is woken."""
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()
