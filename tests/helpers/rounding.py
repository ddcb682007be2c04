"""What happens inside a network: each layer's dtype, and its error against float64 in epsilons of that dtype.

What a whole network makes of bfloat16's rounding depends on its weights and on the processor; what a single layer adds
to it does not.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

LEAF_EPS = 1.0
"""Most that one product, convolution or normalisation may be off: it rounds once, by a quarter of it on average."""
BLOCK_EPS = 2.0
"""Most for a block of them (a transformer's layer, a convolution with its norm), which rounds some times in a row."""


@dataclass(frozen=True)
class Layer:
    """One call of one module. `error_eps`: norm of the error over the norm of the exact output, in epsilons."""

    name: str
    kind: str
    dtype: torch.dtype
    error_eps: float
    most_eps: float
    plain_eps: float | None = None
    """The same by torch's own kernels instead of oneDNN's, where `error_eps` was too much."""

    def __str__(self) -> str:
        own = "" if self.plain_eps is None else f", {self.plain_eps:.2f} without oneDNN"
        return f"{self.name} ({self.kind}): off by {self.error_eps:.2f} eps{own}; at most {self.most_eps:g} is rounding"


def layers(network: nn.Module, run: Callable[[], object]) -> list[Layer]:
    """What the leaves and the numbered blocks of `network` gave while `run` ran, each against itself in float64."""
    seen: list[Layer] = []
    hooks = [
        module.register_forward_hook(_compare(name, module, seen), with_kwargs=True)
        for name, module in network.named_modules()
        if not list(module.children()) or name.rpartition(".")[2].isdigit()
    ]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def compared(
    name: str, kind: str, found: Tensor, exact: Tensor, most_eps: float, again: Callable[[], Tensor] | None = None
) -> Layer:
    """`again`: computes `found` once more, without oneDNN if it was off by too much."""
    error, plain = _error_eps(found, exact), None
    if not error <= most_eps and again is not None:
        with torch.backends.mkldnn.flags(enabled=False, allow_tf32=None):
            plain = _error_eps(again(), exact)
    return Layer(name, kind, found.dtype, error, most_eps, plain)


def sound(seen: Sequence[Layer]) -> None:
    """Fails where a layer is off by more than rounding; skips where oneDNN's kernel on this processor is to blame.

    A wrong kernel is torch's affair (its bfloat16 convolutions were wrong on processors with AMX for some shapes,
    pytorch issues 163347 and 169688) and must be seen, but no change of this project's can mend it.
    """
    bad = [layer for layer in seen if not layer.error_eps <= layer.most_eps]
    ours = [layer for layer in bad if layer.plain_eps is None or not layer.plain_eps <= layer.most_eps]
    assert not ours, "\n".join(map(str, ours))
    if bad:
        pytest.skip("oneDNN computes wrongly in bfloat16 on this processor: " + "; ".join(map(str, bad)))


def _error_eps(found: Tensor, exact: Tensor) -> float:
    relative = (found.double() - exact).norm() / exact.norm().clamp(min=1e-30)
    return float(relative / torch.finfo(found.dtype).eps)


def _compare(name: str, module: nn.Module, seen: list[Layer]) -> Callable[..., None]:
    same, exact = copy.deepcopy(module), copy.deepcopy(module).double()
    most_eps = BLOCK_EPS if list(module.children()) else LEAF_EPS

    @torch.no_grad()
    def look(_: nn.Module, args: Any, kwargs: Any, out: Any) -> None:
        expected = _first(exact(*tree_map(_double, args), **tree_map(_double, kwargs)))
        kind = type(module).__name__
        seen.append(compared(name, kind, _first(out), expected, most_eps, lambda: _first(same(*args, **kwargs))))

    return look


def _double(value: Any) -> Any:
    return value.double() if isinstance(value, Tensor) and value.is_floating_point() else value


def _first(out: Any) -> Tensor:
    value = out[0] if isinstance(out, tuple) else out
    assert isinstance(value, Tensor)
    return value
