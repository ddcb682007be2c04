"""A run of `fit` that takes a second, on rows of numbers: what the loop is killed, starved and resumed on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from trainer.loop.fit import fit
from trainer.loop.stage import LoopOptions, Phase, Stage, adamw


def network() -> nn.Module:
    """Dropout draws from torch's generator: a resumed run must draw the same."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.Dropout(0.5), nn.ReLU(), nn.Linear(16, 3))


def one_phase(
    module: nn.Module,
    make: Callable[[np.random.Generator], Iterable[Any]],
    loss: Callable[[Any], torch.Tensor],
    score: Callable[[], dict[str, float]],
    epochs: int = 1,
    **settings: Any,
) -> Stage[Any]:
    """A stage that `score()["score"]` selects in. `settings`: of `Stage`, and lr, weight_decay, rate of `adamw`."""
    of_adamw = {k: settings.pop(k) for k in ("lr", "weight_decay", "rate") if k in settings}
    optimisation = adamw(**{"lr": 0.1, **of_adamw})
    return Stage(
        module=module, phases=[Phase(epochs, make, optimisation)], loss=loss, evaluate=score,
        **{"name": "small", "select": ["score"], "seed": 0, **settings},
    )  # fmt: skip


def run(
    out: Path, epochs: int = 3, broken_at: int | None = None, scores: list[float] | None = None, **given: Any
) -> tuple[nn.Module, dict]:
    """12 batches an epoch of a learnable problem; `broken_at`: the loss of that batch, counted over all, is NaN;
    `scores`: of the epochs, instead of the dev loss.
    `given`: fields of `LoopOptions`, and settings of `one_phase`."""
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
        if scores is not None:
            return {"score": scores[len(seen) // 12 - 1]}
        module.eval()
        torch.rand(2)  # an evaluation may draw
        return {"score": -float(nn.functional.cross_entropy(module(x), y).detach())}

    options = LoopOptions(**{k: given.pop(k) for k in LoopOptions.__slots__ if k in given})
    stage = one_phase(module, make, loss_of, score, epochs, **{"seed": 7, "lr": 3e-3, **given})
    return module, fit(stage, out, options)


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))
