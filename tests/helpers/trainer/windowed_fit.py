"""A run of `fit` that takes a second, on windows of dialogues, as Stages II and III call it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from helpers.trainer.dialogues import random_dialogue
from helpers.trainer.small_fit import one_phase
from torch import nn

from trainer.loop.fit import fit
from trainer.loop.losses import window_loss
from trainer.loop.stage import LoopOptions
from trainer.loop.windows import Cut, WindowBatch, all_cuts, batches, make_batch


class Tiny(nn.Module):
    """Dropout draws from torch's generator: a resumed run must draw the same."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(32, 8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 7))

    def forward(self, t1: torch.Tensor) -> torch.Tensor:
        return self.net(t1)


def run_tiny(
    out: Path,
    epochs: int,
    patience: int = 99,
    scores: list[float] | None = None,
    average: float = 0.0,
    options: LoopOptions | None = None,
) -> tuple[Tiny, dict]:
    """A fresh module, fresh batches and a fresh optimiser, as a new process would make them. The score draws numbers of
    its own (an evaluation may), and is scripted by epoch if `scores` are given."""
    torch.manual_seed(0)
    module = Tiny()
    dialogues = [random_dialogue(n, 2) for n in (5, 8, 3)]
    log = out / "tiny.jsonl"

    def make(rng: np.random.Generator) -> Iterable[WindowBatch]:
        return batches(dialogues, all_cuts(dialogues, 4), 4, rng)

    def score() -> dict[str, float]:
        torch.rand(3)
        done = len(log.read_text().splitlines()) if log.exists() else 0
        if scores is not None:
            return {"score": scores[done]}
        module.eval()
        batch = make_batch(dialogues, [Cut(0, 0, 5)])
        return {"score": -float(window_loss(module(batch.t1), batch).detach())}

    stage = one_phase(
        module, make, lambda b: window_loss(module(b.t1), b), score, epochs, name="tiny", patience=patience, lr=1e-2,
        seed=5, average=average,
    )  # fmt: skip
    return module, fit(stage, out, options)
