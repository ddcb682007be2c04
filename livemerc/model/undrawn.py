"""Networks whose weights are read afterwards need none drawn at random: for 450 million that takes seconds."""

from __future__ import annotations

from typing import Any

from torch.overrides import TorchFunctionMode


class Undrawn(TorchFunctionMode):
    """Context in which `torch.nn.init` leaves its tensors as they are, in this thread alone.

    `transformers` has `no_init_weights` for it, which replaces the functions of `torch.nn.init` for the whole process:
    a network that another thread builds meanwhile is never initialised, and after two such contexts that overlapped
    none is any more.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init" or func.__name__ in ("normal_", "uniform_"):
            return args[0] if args else named["tensor"]
        return func(*args, **named)
