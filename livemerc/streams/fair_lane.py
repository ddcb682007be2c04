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
    round. One that can wait (a file) gives way to those that cannot. Beside these each stream has one place for what
    may be superseded (`put_latest`), taken only while nothing else waits.
    """

    def __init__(self, each: int) -> None:
        self._each = each
        self._waiting: dict[str, deque[T]] = {}
        self._turn: deque[str] = deque()  # streams with something waiting, the next one first
        self._patient: set[str] = set()  # streams that give way
        self._latest: dict[str, T] = {}  # by stream, whoever has waited longest first
        self._closed = False
        self._abandoned = False
        self._changed = threading.Condition()

    def put(self, stream: str, item: T, *, patient: bool = False) -> None:
        """Waits for room. patient: this stream gives way to others. Raises `Closed` once the reader has abandoned the
        lane."""
        with self._changed:
            mine = self._waiting.setdefault(stream, deque())
            self._changed.wait_for(lambda: len(mine) < self._each or self._abandoned)
            if self._abandoned:
                raise Closed
            mine.append(item)
            if patient:
                self._patient.add(stream)
            self._latest.pop(stream, None)  # it is older than what now waits behind it: nobody needs it
            if len(mine) == 1:
                self._turn.append(stream)
            self._changed.notify_all()

    def put_latest(self, stream: str, item: T) -> None:
        """Never waits: replaces the stream's last such item if nobody took it, and gives way to any `put` of it."""
        with self._changed:
            if not self._waiting.get(stream) and not self._abandoned:
                self._latest[stream] = item
                self._changed.notify_all()

    def take(self, most: int, timeout_s: float | None = None) -> list[tuple[str, T]]:
        """What is there, of at most `most` streams, one item each, or one item that may be superseded; waits for the
        first, [] after `timeout_s` without one. Raises `Closed` at the end."""
        with self._changed:
            there = self._changed.wait_for(
                lambda: bool(self._turn) or bool(self._latest) or self._closed or self._abandoned, timeout_s
            )
            if not there:
                return []
            if self._abandoned or not (self._turn or self._latest):
                raise Closed
            if not self._turn:
                stream = next(iter(self._latest))
                return [(stream, self._latest.pop(stream))]
            taken = []
            for stream in sorted(self._turn, key=self._patient.__contains__)[:most]:
                self._turn.remove(stream)
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

    def forget(self, stream: str) -> None:
        """Nothing more will come of it, and nothing waits."""
        with self._changed:
            if not self._waiting.get(stream):
                self._waiting.pop(stream, None)
                self._latest.pop(stream, None)
                self._patient.discard(stream)

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
