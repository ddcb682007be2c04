"""One utterance as the screen keeps it: its words, what is thought of it now, and what was thought before."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan
from struct import pack, unpack
from sys import intern

import msgspec

from livemerc.dashboard.state.course import NOT_SURE
from livemerc.emotions import expected_valence
from livemerc.events import EmotionStatus, Timing

REVISED_BY = 0.05
"""A probability that has moved by less is no revision worth telling."""

_TIMES = Timing.__struct_fields__
_TIMING = f"{len(_TIMES)}d"

Vector = tuple[float, ...]
"""Probabilities in the order of `SessionState.labels`."""


def _unpacked(vector: bytes) -> Vector:
    """To seven decimals, which is what a model's float32 has."""
    return tuple([round(value, 7) for value in unpack(f"{len(vector) // 4}f", vector)])


class Estimate:
    """One emotion estimate of one utterance. The vectors are packed: a session has many thousands."""

    __slots__ = ("_branches", "_fused", "_has", "abstained", "confidence", "label", "revision", "status")

    def __init__(
        self,
        *,
        revision: int,
        status: EmotionStatus,
        label: str,
        confidence: float,
        abstained: str | None,
        probabilities: Vector,
        text: Vector | None,
        speech: Vector | None,
    ) -> None:
        self.revision = revision
        self.status: EmotionStatus = status
        self.label = intern(label)
        self.confidence = confidence
        self.abstained = None if abstained is None else intern(abstained)
        self._has = (text is not None) + 2 * (speech is not None)
        self._fused = pack(f"{len(probabilities)}f", *probabilities)
        self._branches = pack(f"{len(text or ()) + len(speech or ())}f", *(text or ()), *(speech or ()))

    @property
    def probabilities(self) -> Vector:
        return _unpacked(self._fused)

    @property
    def text(self) -> Vector | None:
        """What the words alone would say; None without words."""
        return self._branch(0) if self._has & 1 else None

    @property
    def speech(self) -> Vector | None:
        """What the voice alone would say; None where it was not judged."""
        return self._branch(self._has & 1) if self._has & 2 else None

    def _branch(self, place: int) -> Vector:
        length = len(self._branches) // (2 if self._has == 3 else 1)
        return _unpacked(self._branches[length * place : length * (place + 1)])

    def once_replaced(self, by: Estimate) -> Estimate:
        """What is kept of this one then. Words and voice apart are kept, once, only if they are still the same."""
        if self._branches == by._branches:
            by._branches = self._branches
            return self
        slim = copy.copy(self)  # copies of the session's state may hold this one
        slim._branches, slim._has = b"", 0
        return slim

    @property
    def shown(self) -> str:
        """The label, or `NOT_SURE`."""
        return NOT_SURE if self.abstained is not None else self.label

    @property
    def settled(self) -> bool:
        return self.status == "frozen"

    def differs(self, other: Estimate) -> bool:
        """Whether `other` says something new."""
        ours, theirs = self.probabilities, other.probabilities
        moved = len(ours) != len(theirs) or max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) >= REVISED_BY
        return self.shown != other.shown or moved

    def valence(self, labels: Sequence[str]) -> float | None:
        """None where it was abstained, or where the labels have none."""
        if self.abstained is not None:
            return None
        return expected_valence(dict(zip(labels, self.probabilities, strict=False)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Estimate) and all(getattr(self, n) == getattr(other, n) for n in self.__slots__)

    __hash__ = None  # type: ignore[assignment]  # Python's own way to say "not hashable"


@dataclass(slots=True)
class Utterance:
    """One row of the transcript. `version` grows with every change: the key of whatever is cached for it."""

    utterance_id: str
    start_s: float
    end_s: float | None = None
    text: str = ""
    speaker: str | None = None  # by name where there is one
    speaker_id: str | None = None  # as events say it
    coloured: str | None = None  # the id whose colour the name has: of several of that name, the first
    overlaps: tuple[tuple[float, float], ...] | None = None  # when somebody else speaks, too; None = not sought
    gated: str | None = None
    asr_confidence: float | None = None
    asr: str = ""  # engine and model
    late: bool = False  # the words came after the final
    final: bool = False
    estimate: Estimate | None = None
    earlier: tuple[Estimate, ...] = ()  # what was estimated before, oldest first, where it differed
    changes: tuple[str, ...] = ()  # what was shown before, oldest first: labels or NOT_SURE
    shift: tuple[str, str | None] | None = None  # as `LabelShift` has it: before, because
    version: int = 0
    _timing: bytes | None = None

    @property
    def timing(self) -> Timing | None:
        """Of the first estimate after the final."""
        if self._timing is None:
            return None
        values = unpack(_TIMING, self._timing)
        return Timing(**{name: None if isnan(ms) else ms for name, ms in zip(_TIMES, values, strict=True)})

    @timing.setter
    def timing(self, timing: Timing | None) -> None:
        times = () if timing is None else msgspec.structs.astuple(timing)
        self._timing = None if timing is None else pack(_TIMING, *(nan if ms is None else ms for ms in times))

    @property
    def was(self) -> str | None:
        """What it was before the last revision, where that differs from what it is."""
        return self.changes[-1] if self.changes else None

    @property
    def length_s(self) -> float:
        return 0.0 if self.end_s is None else self.end_s - self.start_s


def top(labels: Sequence[str], vector: Sequence[float]) -> tuple[str, float]:
    """The most probable label and its probability; of equals the first."""
    best = max(range(len(vector)), key=vector.__getitem__)
    return labels[best], vector[best]
