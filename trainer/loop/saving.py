"""Files of a run are replaced whole: a process killed while it writes, or a full disk, leaves the one before."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from livemerc.errors import ConfigError, LivemercError
from trainer import files
from trainer.files import told


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """As `files.write_whole`. Raises `LivemercError` when there is no room."""
    mend = "make room and run the same command again: it goes on from the last state that was saved"
    with told(LivemercError, f"{path}: cannot be written", mend):
        try:
            files.write_whole(path, write)
        except RuntimeError as error:  # torch's report of a failed write of its archive
            raise OSError(str(error).splitlines()[0]) from error


def save_state(state: Any, path: Path) -> None:
    """Tensors and plain values, as `torch.load(weights_only=True)` reads them."""
    write_whole(path, lambda file: torch.save(state, file))


def load_state(path: Path) -> Any:
    """The content of `save_state`, on the CPU. Raises `ConfigError` where the file is broken."""
    try:
        return torch.load(path, weights_only=True, map_location="cpu")
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"{path}: cannot be read ({first}); train this stage again with --overwrite.") from error


def save_arrays(arrays: dict[str, np.ndarray], path: Path) -> None:
    write_whole(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]  # its stub takes no name from a dict


def save_json(value: Any, path: Path) -> None:
    write_whole(path, lambda file: file.write(json.dumps(value, indent=1).encode() + b"\n"))
