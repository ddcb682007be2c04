"""Onto the device that computes."""

from __future__ import annotations

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device | str, dtype: torch.dtype | None = None) -> Tensor:
    """`tensor` of the host on `device`. To a GPU through page-locked memory, so that nobody waits for the copy: what
    is computed from it there is queued behind it. `dtype`: another precision, there."""
    if torch.device(device).type == "cuda":
        tensor = tensor.pin_memory()
        return tensor.to(device, non_blocking=True).to(dtype or tensor.dtype)
    return tensor.to(device=device, dtype=dtype or tensor.dtype)
