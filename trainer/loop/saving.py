"""Files of a run are replaced whole: a process killed while it writes, or a full disk, leaves the one before."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from livemerc.errors import ConfigError, LivemercError


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """`write(file)` to a file beside `path`, which it then replaces. Raises `LivemercError` when there is no room."""
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    # torch reports a failed write of its archive as RuntimeError
    except (OSError, RuntimeError) as error:
        part.unlink(missing_ok=True)
        raise _unwritten(path, error) from error


def append_line(value: dict[str, Any], path: Path) -> None:
    """Appends one line of JSON. Raises `LivemercError` when there is no room."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(json.dumps(value) + "\n")
    except OSError as error:
        raise _unwritten(path, error) from error


def _unwritten(path: Path, error: OSError | RuntimeError) -> LivemercError:
    reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
    return LivemercError(
        f"{path}: cannot be written ({reason}); make room and run the same command again: it goes on from the last "
        "state that was saved."
    )


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
