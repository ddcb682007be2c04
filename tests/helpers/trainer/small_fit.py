"""A run of `fit` that takes a second, on rows of numbers: what the loop is killed, starved and resumed on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from trainer.loop.fit import LoopOptions, fit


def network() -> nn.Module:
    """Dropout draws from torch's generator: a resumed run must draw the same."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.Dropout(0.5), nn.ReLU(), nn.Linear(16, 3))


def run(out: Path, epochs: int = 3, broken_at: int | None = None, **options: Any) -> tuple[nn.Module, dict]:
    """12 batches an epoch of a learnable problem; `broken_at`: the loss of that batch, counted over all, is NaN."""
    module = network()
    rng = np.random.default_rng(1)
    x = torch.from_numpy(rng.standard_normal((96, 6)).astype(np.float32))
    y = x[:, :3].argmax(1)
    seen: list[int] = []

    def make(order: np.random.Generator) -> Iterable[np.ndarray]:
        return np.split(order.permutation(96), 12)

    def loss_of(rows: np.ndarray) -> torch.Tensor:
        seen.append(1)
        loss = nn.functional.cross_entropy(module(x[rows]), y[rows])
        return loss * float("nan") if len(seen) == broken_at else loss

    def score() -> dict[str, float]:
        module.eval()
        torch.rand(2)  # an evaluation may draw
        return {"score": -float(nn.functional.cross_entropy(module(x), y).detach())}

    best = fit("small", module, epochs, 99, 3e-3, 7, make, loss_of, score, out, options=LoopOptions(**options))
    return module, best


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))
