"""Moving average of the trained weights (Polyak & Juditsky 1992): dev figures swing less from epoch to epoch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn


class Average:
    """`decay` by step, 0 = none is made. `start`: at the weights that `module` has now, or after its first step."""

    def __init__(self, module: nn.Module, decay: float, start: Literal["start", "first step"]):
        self.decay = decay
        self._after_first = start == "first step"
        self._trained = [(k, p) for k, p in module.named_parameters() if p.requires_grad] if decay else []
        self._module = module
        self.state: dict[str, Tensor] = {k: p.detach().clone() for k, p in self._trained}

    def restore(self, state: dict[str, Tensor]) -> None:
        for key, value in state.items():
            self.state[key].copy_(value)

    @torch.no_grad()
    def update(self, steps: int) -> None:
        """Takes in the weights after a step; `steps` were made before it."""
        for key, parameter in self._trained:
            self.state[key].lerp_(parameter, 1.0 if self._after_first and steps == 0 else 1 - self.decay)

    def kept(self) -> dict[str, Tensor]:
        """The module's state with the average in place of the trained weights."""
        return {**self._module.state_dict(), **self.state}

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The module has the average's weights inside, and its own again after."""
        if not self.decay:
            yield
            return
        before = {k: v.clone() for k, v in self._module.state_dict().items()}
        self._module.load_state_dict(self.kept())
        yield
        self._module.load_state_dict(before)
