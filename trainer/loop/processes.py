"""One training process or several, by `accelerate`: `accelerate launch` and torchrun start the same code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from livemerc.errors import ConfigError

if TYPE_CHECKING:
    from accelerate import Accelerator

Item = TypeVar("Item")

_started: Accelerator | None = None


def accelerator(device: str = "cpu") -> Accelerator:
    """The process' accelerator; the first call decides where it computes: "auto", "cpu" or "cuda"."""
    global _started  # accelerate keeps one state a process, and so do we
    if _started is None:
        try:
            from accelerate import Accelerator, InitProcessGroupKwargs
        except ImportError as error:
            raise ConfigError("training needs the extra `train`: pip install 'livemerc[train]'.") from error
        # One process extracts features while the others wait: hours on a large corpus.
        patient = InitProcessGroupKwargs(timeout=timedelta(hours=24))
        _started = Accelerator(cpu=device == "cpu", mixed_precision="no", kwargs_handlers=[patient])
    return _started


def share(batches: Iterable[Item], rank: int, world: int) -> Iterator[Item]:
    """The batches of process `rank`: one of every `world`. The last round is filled up from its own start, so that all
    processes make the same number of steps."""
    if world == 1:
        yield from batches
        return
    for round_ in groups(batches, world):
        yield round_[rank % len(round_)]


def groups(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of `size` items in their order; the last may be shorter."""
    iterator = iter(items)
    while group := list(islice(iterator, size)):
        yield group


def same_start(module: nn.Module) -> None:
    """Every process begins with the weights and buffers of the first."""
    process = accelerator()
    if process.num_processes > 1:
        from accelerate.utils import broadcast

        with torch.no_grad():
            for tensor in (*module.parameters(), *module.buffers()):
                tensor.copy_(broadcast(tensor.detach().clone(), from_process=0))


def average_gradients(parameters: list[nn.Parameter]) -> None:
    """Mean gradient over the processes. No wrapper does it, so that a stage may call any part of its networks; a
    parameter that one process' batch did not reach counts there as zero."""
    process = accelerator()
    if process.num_processes == 1:
        return
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = torch.cat([g.flatten() for g in gradients])
    reduced: Tensor = process.reduce(flat, reduction="mean")
    for p, part in zip(parameters, reduced.split([g.numel() for g in gradients]), strict=True):
        p.grad = part.view_as(p).clone()


def from_first(value: Any) -> Any:
    """`value` of the first process, on all."""
    if accelerator().num_processes == 1:
        return value
    from accelerate.utils import broadcast_object_list

    return broadcast_object_list([value], from_process=0)[0]


def of_all(value: Any) -> list[Any]:
    """[value of the first process, of the second, ...], on all."""
    if accelerator().num_processes == 1:
        return [value]
    from accelerate.utils import gather_object

    return gather_object([value])
