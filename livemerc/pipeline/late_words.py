"""Words that come after their final: which utterances wait for them, which call is in progress, which are ready."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from livemerc.audio.items import Utterance
from livemerc.runtime.worker import Job

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A call of the recogniser for one utterance, and seconds of audio in it that it had not heard before."""

    utterance: Utterance
    job: Job[T]
    unheard_s: float


class LateWords(Generic[T]):
    """The queue of one recogniser. It calls nobody: `choose` names the utterance to begin, `keep` gets its call.

    expected_s: how long the words of an utterance will probably take. try_every_s: `overload.retry_words_every_s`. All
    methods are for one thread.
    """

    def __init__(self, expected_s: Callable[[Utterance], float], try_every_s: float) -> None:
        self._expected_s = expected_s
        self._try_every_s = try_every_s
        self._waiting: deque[Utterance] = deque()  # pruned to those whose label is open: `dialogue.revise` at most
        self._call: Call[T] | None = None
        self._ready: deque[Call[T]] = deque()
        self._tried_s = 0.0

    @property
    def pending(self) -> bool:
        """Whether any words are still to come, or have come and were not taken."""
        return self._call is not None or bool(self._ready) or bool(self._waiting)

    @property
    def call(self) -> Call[T] | None:
        """The call in progress that nobody waits for."""
        return self._call

    def put_off(self, utterance: Utterance) -> None:
        """Its words were not begun."""
        self._waiting.append(utterance)

    def keep(self, call: Call[T]) -> None:
        """A call goes on that nobody waits for any more."""
        self._call = call

    def take(self) -> Call[T] | None:
        """A call that has ended since, the oldest first; it is for the caller to look at its outcome."""
        self.collect()
        if not self._ready:
            return None
        self._tried_s = time.monotonic()
        return self._ready.popleft()

    def collect(self) -> None:
        """Makes room for another call if the one in progress has ended."""
        if self._call is not None and self._call.job.done:
            self._ready.append(self._call)
            self._call = None

    def prune(self, wanted: Callable[[Utterance], bool]) -> None:
        """Forgets utterances whose words nobody wants any more."""
        self._waiting = deque(utterance for utterance in self._waiting if wanted(utterance))

    def choose(self, open_for_s: float) -> Utterance | None:
        """Takes out the utterance whose words are to be begun now: the newest that may come within `open_for_s`, since
        it stays open for longest; once in a while the shortest, since it tells soonest whether the recogniser has
        recovered. None while a call is in progress, or where there is none."""
        if self._call is not None or not self._waiting:
            return None
        in_time = [utterance for utterance in self._waiting if self._expected_s(utterance) <= open_for_s]
        if not in_time and time.monotonic() - self._tried_s < self._try_every_s:
            return None
        chosen = in_time[-1] if in_time else min(self._waiting, key=self._expected_s)
        self._waiting.remove(chosen)
        return chosen
