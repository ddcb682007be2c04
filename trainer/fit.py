"""One training loop for the small networks of Stages II and III: early stopping on dev, resumable after any epoch."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainer.windows import WindowBatch

LAG_WEIGHT = (1.0, 0.6, 0.6)
"""Weight of the loss at lag 0, 1, 2: what the monitor shows. Lag 0 is the trained condition, R = 2 the revised one."""
BACK_WEIGHT = 0.15
"""Weight further back in the window: those labels are frozen live, but keep the networks good on whole dialogues."""


def window_loss(logits: Tensor, batch: WindowBatch, where: Tensor | None = None) -> Tensor:
    """Cross entropy over the window, weighted by lag. logits (B, N, C); `where` (B, N) bool: only these positions."""
    weight = torch.full(batch.labels.shape, BACK_WEIGHT)
    for lag, value in enumerate(LAG_WEIGHT):
        weight = torch.where(batch.lag == lag, value, weight)
    # -1 is padding: neither a class nor a target
    weight = torch.where(batch.labels < 0, 0.0, weight)
    if where is not None:
        weight = torch.where(where, weight, 0.0)
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), batch.labels.clamp(min=0).flatten(), reduction="none")
    return (loss * weight.flatten()).sum() / weight.sum().clamp(min=1e-6)


def fit(
    name: str,
    module: nn.Module,
    epochs: int,
    patience: int,
    lr: float,
    seed: int,
    make_batches: Callable[[np.random.Generator], Iterable[WindowBatch]],
    loss_of: Callable[[WindowBatch], Tensor],
    evaluate: Callable[[], dict[str, float]],
    out: Path,
    weight_decay: float = 0.01,
) -> dict[str, float]:
    """Trains `module`; on return it holds the weights of the epoch with the best `evaluate()["score"]`."""
    out.mkdir(parents=True, exist_ok=True)
    resume = out / f"{name}.resume.pt"
    optimiser = torch.optim.AdamW(module.parameters(), lr=lr, weight_decay=weight_decay)
    best: dict[str, Any] = {"score": -np.inf, "epoch": 0}
    best_state = {k: v.clone() for k, v in module.state_dict().items()}
    first = 1
    if resume.exists():
        state = torch.load(resume, weights_only=True)
        module.load_state_dict(state["module"])
        optimiser.load_state_dict(state["optimiser"])
        best, best_state, first = json.loads(state["best"]), state["best_state"], state["epoch"] + 1
    for epoch in range(first, epochs + 1):
        if epoch - best["epoch"] > patience:
            break
        # Seeded by epoch: a resumed run draws what an uninterrupted one would.
        rng = np.random.default_rng([seed, epoch])
        torch.manual_seed(seed * 1000 + epoch)
        started, losses = time.monotonic(), []
        module.train()
        for batch in make_batches(rng):
            loss = loss_of(batch)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimiser.step()
            losses.append(float(loss.detach()))
        figures = {"epoch": epoch, "loss": float(np.mean(losses)), **evaluate(), "seconds": time.monotonic() - started}
        with (out / f"{name}.jsonl").open("a") as log:
            log.write(json.dumps(figures) + "\n")
        print(name, {k: round(v, 4) for k, v in figures.items()}, flush=True)
        if figures["score"] > best["score"]:
            best, best_state = figures, {k: v.clone() for k, v in module.state_dict().items()}
        part = resume.with_suffix(".part")
        torch.save(
            {"module": module.state_dict(), "optimiser": optimiser.state_dict(), "epoch": epoch,
             "best": json.dumps(best), "best_state": best_state}, part
        )  # fmt: skip
        part.replace(resume)  # a run killed while it writes goes on from the epoch before
    module.load_state_dict(best_state)
    return best
