"""How torch computes in this process: the one place of the trainer that says so, called by the commands alone."""

from __future__ import annotations

import os

from livemerc.errors import ConfigError


def set_torch(threads: int, *, deterministic: bool = False) -> None:
    """Loads torch. Raises `ConfigError` where `threads` is no number of threads."""
    if threads < 1:
        raise ConfigError("--threads must be 1 or more.")
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    import torch

    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    torch.set_num_threads(threads)
