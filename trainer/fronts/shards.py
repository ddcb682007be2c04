"""Shards of a feature cache: safetensors files named after their own SHA-256, each holding the keys of its rows.

A shard is whole or it is not there: written beside, synced, renamed. Its name tells whether it was changed later, and
its header holds its keys, so there is no index that could disagree with it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

import psutil
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor

PART = ".part"


class BrokenShard(Exception):
    """A shard that is truncated or changed; `path` names it."""

    def __init__(self, path: Path):
        super().__init__(f"{path}: truncated or changed")
        self.path = path


def write_file(path: Path, content: bytes) -> None:
    """All of it or nothing, also after a crash. Raises OSError (a full disk) and leaves no part behind."""
    part = path.with_name(f"{path.name}.{os.getpid()}{PART}")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def remove_leftovers(folder: Path) -> None:
    """Parts of processes that were killed while they wrote."""
    for part in folder.glob(f"*{PART}"):
        pid = part.name.removesuffix(PART).rpartition(".")[2]
        if not (pid.isdecimal() and psutil.pid_exists(int(pid))):
            part.unlink(missing_ok=True)


def write_shard(folder: Path, keys: Sequence[str], rows: Tensor) -> Path:
    """`rows` (n, ...) under `keys` (n). Raises OSError."""
    content = save({"features": rows.contiguous()}, metadata={"keys": json.dumps(list(keys))})
    path = folder / f"{_digest(content)}.safetensors"
    write_file(path, content)
    return path


def shard_keys(path: Path) -> list[str]:
    """From the header alone. Raises `BrokenShard`."""
    try:
        with safe_open(path, framework="pt") as file:
            keys = json.loads((file.metadata() or {})["keys"])
            shape = file.get_slice("features").get_shape()
    except (SafetensorError, KeyError, ValueError) as error:
        raise BrokenShard(path) from error
    if len(keys) != shape[0]:
        raise BrokenShard(path)
    return keys


def read_shard(path: Path) -> Tensor:
    """Every row, float32, its SHA-256 checked. Raises `BrokenShard`."""
    content = path.read_bytes()
    if _digest(content) != path.stem:
        raise BrokenShard(path)
    return load(content)["features"].to(torch.float32)


def is_whole(path: Path) -> bool:
    """Whether the content is what the name says."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32] == path.stem


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
