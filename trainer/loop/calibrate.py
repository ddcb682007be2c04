"""Temperatures, fitted on dev: one for each branch and each condition of the fusion; and when to abstain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from livemerc.model.merits import ConversationModel
from livemerc.model.temperatures import Temperatures
from trainer.loop.windows import DialogueFeatures, judge


def fit_temperature(logits: Tensor, truth: Tensor, weights: Tensor | None = None) -> float:
    """The temperature of least NLL (Guo et al. 2017) by line search: it is convex in 1/T. logits (N, C), truth (N,);
    `weights` (N,): what each row counts, None = alike."""
    grid = torch.exp(torch.linspace(np.log(0.25), np.log(8.0), 400))
    weights = torch.ones(len(truth)) if weights is None else weights

    def loss(temperature: Tensor) -> float:
        rows = torch.nn.functional.cross_entropy(logits / temperature, truth, reduction="none")
        return float((rows * weights).sum() / weights.sum())

    losses = [loss(t) for t in grid]
    return float(grid[int(np.argmin(losses))])


def fit_temperatures(
    model: ConversationModel, conditions: dict[str, list[DialogueFeatures]], context: int
) -> Temperatures:
    """`conditions`: "text_only", "speech_only", "both" -> dev dialogues. A branch head is fitted where it is alone."""

    def fitted(condition: str, field: str) -> float:
        return fit_temperature(*_judged(model, conditions[condition], context, field))

    return Temperatures(
        text_branch=fitted("text_only", "text"),
        speech_branch=fitted("speech_only", "speech"),
        both=fitted("both", "fused"),
        text_only=fitted("text_only", "fused"),
        speech_only=fitted("speech_only", "fused"),
    )


def fused_probabilities(
    model: ConversationModel,
    conditions: dict[str, list[DialogueFeatures]],
    context: int,
    temperatures: Temperatures,
    names: Sequence[str],
) -> tuple[np.ndarray, np.ndarray]:
    """What a monitor would show at lag 0 in the conditions `names` of `fit_temperatures`: (N, C), truth (N,)."""
    shown, truths = [], []
    for name in names:
        logits, truth = _judged(model, conditions[name], context, "fused")
        shown.append((logits / getattr(temperatures, name)).softmax(-1).numpy())
        truths.append(truth.numpy())
    return np.concatenate(shown), np.concatenate(truths)


BAND = 0.1
"""Width of the bands of confidence over which `abstention_limit` counts."""


def abstention_limit(probabilities: np.ndarray, truth: np.ndarray, at_least: float) -> float:
    """The least confidence, in steps of .01, from which on a label is worth showing: from it upwards no band of `BAND`
    with ten rows is right in less than `at_least` of them. probabilities (N, C), truth (N,)."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == truth
    found = 1.0
    for limit in np.arange(0.99, 0.0, -0.01):
        band = (confidence >= limit) & (confidence < limit + BAND)
        if band.sum() >= 10 and right[band].mean() < at_least:
            break
        found = float(limit)
    lowest = max(found, 1 / probabilities.shape[1])  # no top label is below that
    return round(lowest, 2)


def _judged(
    model: ConversationModel, dialogues: list[DialogueFeatures], context: int, field: str
) -> tuple[Tensor, Tensor]:
    """Logits (N, C) of the output `field` at lag 0 and truth (N,), of the utterances that can be judged."""
    out = torch.cat([getattr(w, field) for w in judge(model, dialogues, context, 0)])
    truth = np.concatenate([d.labels for d in dialogues])
    judged = np.concatenate([d.has_text | d.has_speech for d in dialogues]) & (truth >= 0)
    return out[torch.from_numpy(judged)], torch.from_numpy(truth[judged])
