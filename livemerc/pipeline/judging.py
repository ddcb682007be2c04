"""The model's side of a dialogue: what it is asked about a window, and what it answers.

S1 of an utterance is found from its voice and from earlier voices of its speaker, at the latest when its window is
judged: who speaks may be known, or be found to be another, after the voice was encoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from livemerc.model.merits import MeritsL, Window, WindowProbabilities
from livemerc.pipeline.baselines import Baselines


@dataclass(frozen=True, slots=True, eq=False)
class Voice:
    """The voice of one utterance: `statistics` (S,), as `livemerc.model.encoders.Encoders.speech` gives them."""

    statistics: Tensor


@dataclass(frozen=True, slots=True)
class Unheard:
    """A voice whose S1 is asked for, its place in the window, and the earlier voices that it is judged against."""

    at: int
    voice: Voice
    earlier: tuple[Voice, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A window; its rows of S1 at the places of `unheard` mean nothing yet."""

    window: Window
    unheard: Sequence[Unheard]


@dataclass(frozen=True, slots=True)
class Answer:
    """`s1`: (Ds,) of each voice that was unheard, in the order of the question."""

    probabilities: WindowProbabilities
    s1: Sequence[Tensor]


@runtime_checkable
class AnswersItself(Protocol):
    """A model that another process holds. Each call is a message, so it takes whole questions. What it raises beside
    `MeritsL`'s own errors says that it could not be asked."""

    labels: tuple[str, ...]
    prior: tuple[float, ...]
    has_baseline: bool
    widths: tuple[int, int]

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """As `answer` has it."""
        ...

    def deciding(self, window: Window, at: int, label: int) -> int | None:
        """As `livemerc.pipeline.attribution.cause` has it: the place."""
        ...


Judges = MeritsL | AnswersItself
"""What a dialogue asks."""


def answer(model: Judges, questions: Sequence[Question]) -> list[Answer]:
    """What the model makes of each window, in one pass for all. Raises ArithmeticError for what is not finite."""
    if isinstance(model, AnswersItself):
        return model.answer(questions)
    rows = s1_of(model, [one for question in questions for one in question.unheard])
    found: list[list[Tensor]] = []
    windows: list[Window] = []
    for question in questions:
        mine, rows = rows[: len(question.unheard)], rows[len(question.unheard) :]
        found.append(mine)
        s1 = question.window.s1
        if mine:
            s1 = s1.index_copy(0, torch.tensor([one.at for one in question.unheard]), torch.stack(mine))
        windows.append(replace(question.window, s1=s1))
    judged = model.windows(windows)
    if not all(bool(one.fused.isfinite().all()) for one in judged):
        raise ArithmeticError("the model gave probabilities that are not finite")
    return [Answer(probabilities, s1) for probabilities, s1 in zip(judged, found, strict=True)]


@torch.inference_mode()
def s1_of(model: MeritsL, unheard: Sequence[Unheard]) -> list[Tensor]:
    """S1 (Ds,) of each voice, on the CPU."""
    if not unheard:
        return []
    voices = torch.stack([one.voice.statistics for one in unheard])
    if not model.has_baseline:
        return [*model.voice_of(voices, None)]
    baselines = [
        model.baseline_of(torch.stack([v.statistics for v in one.earlier]) if one.earlier else voices[:0])
        for one in unheard
    ]
    return [*model.voice_of(voices, torch.stack(baselines))]


def s1_in_turn(model: MeritsL, voices: Sequence[Tensor | None], speakers: Sequence[str | None]) -> list[Tensor | None]:
    """S1 (Ds,) of a dialogue's voices (S,), each against the earlier ones of its speaker; None = no voice."""
    baselines: Baselines[Voice] = Baselines()
    out: list[Tensor | None] = []
    for statistics, speaker in zip(voices, speakers, strict=True):
        if statistics is None:
            out.append(None)
            continue
        voice = Voice(statistics)
        out += s1_of(model, [Unheard(0, voice, baselines.of(speaker))])
        baselines.enter(speaker, voice)
    return out
