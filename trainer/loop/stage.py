"""What a stage gives to the loop: networks, batches, loss, optimiser and schedule, figures, and what selects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

Batch = TypeVar("Batch")
LAST_EPOCH = ()
"""`Stage.select` of a stage that selects nothing: what its last epoch left is kept."""


@dataclass(frozen=True, slots=True)
class Optimisation:
    """An optimiser and, where the rate is not constant, its schedule, which takes a step with it."""

    optimiser: Optimizer
    schedule: LRScheduler | None = None

    def step(self) -> None:
        self.optimiser.step()
        if self.schedule is not None:
            self.schedule.step()

    def state(self) -> dict[str, Any]:
        schedule = None if self.schedule is None else self.schedule.state_dict()
        return {"optimiser": self.optimiser.state_dict(), "schedule": schedule}

    def restore(self, state: dict[str, Any]) -> None:
        self.optimiser.load_state_dict(state["optimiser"])
        if self.schedule is not None:
            self.schedule.load_state_dict(state["schedule"])


def adamw(
    lr: float,
    weight_decay: float = 0.01,
    rate: Callable[[int], float] | None = None,
    fused: bool | None = None,
    lr_of: Callable[[str], float] | None = None,
) -> Callable[[nn.Module], Optimisation]:
    """AdamW over the parameters that require a gradient. `rate`: factor of `lr` by step (from 0); None = constant;
    `lr_of`: the rate of a parameter by its name, where they differ."""

    def make(module: nn.Module) -> Optimisation:
        by_rate: dict[float, list[nn.Parameter]] = {}
        for name, parameter in module.named_parameters():
            if parameter.requires_grad:
                by_rate.setdefault(lr_of(name) if lr_of else lr, []).append(parameter)
        groups = [{"params": parameters, "lr": own} for own, parameters in by_rate.items()]
        optimiser = AdamW(groups, lr=lr, weight_decay=weight_decay, fused=fused)
        return Optimisation(optimiser, None if rate is None else LambdaLR(optimiser, rate))

    return make


def warm_up_then_down(step: int, warm: int, total: int) -> float:
    """Share of the learning rate: linear up over `warm` steps, linear down to 0 at `total`."""
    return min((step + 1) / max(1, warm), max(0.0, (total - step) / max(1, total - warm)))


def numpy_generator(seed: int, epoch: int) -> np.random.Generator:
    """The generator of an epoch's batches. Seeded by epoch: a resumed run draws what an uninterrupted one would."""
    return np.random.default_rng([seed, epoch])


@dataclass(frozen=True, slots=True)
class Phase(Generic[Batch]):
    """Epochs with an optimiser of their own. `batches`: the epoch's generator -> its batches, all draws included, so
    that a run resumed inside an epoch can pass over those that are done. `steps`: optimiser steps of an epoch, where
    they are known beforehand. `selects`: whether the best epoch may be one of these."""

    epochs: int
    batches: Callable[[Any], Iterable[Batch]]
    optimisation: Callable[[nn.Module], Optimisation]
    steps: int | None = None
    name: str = ""
    selects: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage(Generic[Batch]):
    """A stage of a recipe.

    `module`: what is trained (its parameters that require a gradient) and kept. `evaluate`: figures on dev, of what
    would be kept; `watch`: figures of the weights as the last step left them, logged beside those. `select`: the names
    of the figures whose mean is an epoch's score, of which the highest is kept, or `LAST_EPOCH`; `patience`: epochs
    without a higher one that end the stage, None = none do. `accumulate`: batches of a process to one optimiser step.
    `average`: decay, by step, of a moving average of the weights, which is then what dev judges and what is kept; 0 =
    the weights themselves; it begins at the weights before or after the first step (`average_from`).
    """

    name: str
    module: nn.Module
    phases: Sequence[Phase[Batch]]
    loss: Callable[[Batch], Tensor]
    evaluate: Callable[[], dict[str, float]]
    select: Sequence[str]
    seed: int
    watch: Callable[[], dict[str, float]] | None = None
    patience: int | None = None
    clip: float = 1.0
    accumulate: int = 1
    average: float = 0.0
    average_from: Literal["start", "first step"] = "start"
    generator: Callable[[int, int], Any] = numpy_generator

    @property
    def epochs(self) -> int:
        return sum(phase.epochs for phase in self.phases)

    def steps_after(self, epoch: int) -> int:
        """Optimiser steps of the epochs after this one, as far as they are known."""
        return sum([phase.steps or 0 for phase in self.phases for _ in range(phase.epochs)][epoch:])


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """How a stage is run, beside what it learns.

    `precision`: bfloat16 = autocast where the module's device is a GPU; float32 elsewhere. `save_every`: optimiser
    steps between two states inside an epoch, 0 = whole epochs only. `max_steps`: ends the stage after so many optimiser
    steps. `tracker`: folder for TensorBoard. `begun_with`: what a resumed run must share with the one that began it.
    """

    precision: Literal["float32", "bfloat16"] = "float32"
    save_every: int = 0
    max_steps: int | None = None
    tracker: Path | None = None
    begun_with: dict[str, Any] | None = None
