"""Temperatures, fitted on dev: one for each branch and each condition of the fusion."""

from __future__ import annotations

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

    def logits(condition: str, field: str) -> tuple[Tensor, Tensor]:
        dialogues = conditions[condition]
        out = torch.cat([getattr(w, field) for w in judge(model, dialogues, context, 0)])
        truth = np.concatenate([d.labels for d in dialogues])
        judged = np.concatenate([d.has_text | d.has_speech for d in dialogues]) & (truth >= 0)
        return out[torch.from_numpy(judged)], torch.from_numpy(truth[judged])

    return Temperatures(
        text_branch=fit_temperature(*logits("text_only", "text")),
        speech_branch=fit_temperature(*logits("speech_only", "speech")),
        both=fit_temperature(*logits("both", "fused")),
        text_only=fit_temperature(*logits("text_only", "fused")),
        speech_only=fit_temperature(*logits("speech_only", "fused")),
    )
