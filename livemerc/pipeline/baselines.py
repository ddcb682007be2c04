"""The newest voices of each speaker. They make up a baseline: how that speaker usually sounds."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, TypeVar

KEPT = 32
"""Voices that make a baseline; older ones are forgotten, so that it follows its speaker."""
SPEAKERS = 32
"""Of more speakers, the one heard least recently is forgotten, and begins anew at the next utterance."""

T = TypeVar("T")


class Baselines(Generic[T]):
    """At most `KEPT` voices of each of at most `SPEAKERS` speakers, each as whatever the caller knows it by. A speaker
    may begin with voices of before (`begin_with`), which are forgotten first."""

    def __init__(self) -> None:
        self._voices: OrderedDict[str, deque[T]] = OrderedDict()
        self._before: dict[str, tuple[T, ...]] = {}

    def begin_with(self, speaker: str, voices: tuple[T, ...]) -> None:
        """These count as if the speaker had said them before all else; () = nothing. It replaces what was given."""
        self._before[speaker] = voices

    def enter(self, speaker: str | None, voice: T) -> None:
        """The next voice, in the order of the utterances. One of nobody known is nobody's."""
        if speaker is None:
            return
        self._voices.setdefault(speaker, deque(maxlen=KEPT)).append(voice)
        self._voices.move_to_end(speaker)
        if len(self._voices) > SPEAKERS:
            self._voices.popitem(last=False)

    def of(self, speaker: str | None) -> tuple[T, ...]:
        """The voices of that speaker, the oldest first; () = unknown, or not heard yet."""
        if speaker is None:
            return ()
        return (*self._before.get(speaker, ()), *self._voices.get(speaker, ()))[-KEPT:]

    def everybody(self) -> frozenset[T]:
        """All voices."""
        return frozenset(voice for voices in self._voices.values() for voice in voices)
