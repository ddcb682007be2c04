"""Shards of a feature cache: safetensors files named after their own SHA-256, each holding the keys of its rows.

A shard is whole or absent, because it is written beside its place, synced and renamed. Its name tells whether it was
changed later, and its header holds its keys, so there is no index that could disagree with it.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import psutil
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor

from livemerc.errors import LivemercError
from livemerc.model.checkpoint import file_sha256
from trainer.files import told, write_whole

PART = ".part"


class BrokenShard(Exception):
    """A shard that is truncated or changed; the message names it."""

    def __init__(self, path: Path):
        super().__init__(f"{path}: truncated or changed")


def write_file(path: Path, content: bytes) -> None:
    """Writes all of it or nothing, also in a crash. Raises OSError (a full disk) and leaves no part behind."""
    write_whole(path, lambda file: file.write(content), path.with_name(f"{path.name}.{os.getpid()}{PART}"))


def remove_leftovers(folder: Path) -> None:
    """Removes what processes wrote in part before they were killed."""
    for part in folder.glob(f"*{PART}"):
        pid = part.name.removesuffix(PART).rpartition(".")[2]
        if not (pid.isdecimal() and psutil.pid_exists(int(pid))):
            part.unlink(missing_ok=True)


class ShardWriter:
    """Collects rows and writes them as shards of `size` rows, or of fewer once `flush_s` seconds have gone by.

    `total`: rows that are to come, for messages; `written` is called with each shard's path and keys.
    """

    def __init__(
        self, folder: Path, size: int, flush_s: float, total: int, written: Callable[[Path, Sequence[str]], None]
    ):
        self._folder, self._size, self._flush_s, self._total, self._written = folder, size, flush_s, total, written
        self._keys: list[str] = []
        self._rows: list[Tensor] = []
        self._kept = 0
        self._since = time.monotonic()

    def add(self, keys: Sequence[str], rows: Tensor) -> None:
        """Takes `rows` (n, ...) under `keys` (n). Raises as `flush` does."""
        if keys:
            self._keys += keys
            self._rows.append(rows)
        if len(self._keys) >= self._size or time.monotonic() - self._since > self._flush_s:
            self.flush()

    def flush(self) -> None:
        """Writes what is collected. Raises `LivemercError` where there is no room."""
        keys, rows = self._keys, self._rows
        self._keys, self._rows = [], []
        self._since = time.monotonic()
        if not keys:
            return
        kept = f"{self._kept} of {self._total} new ones are kept, free some room and run the same command again"
        with told(LivemercError, f"{self._folder}: features cannot be written", kept):
            content = save({"features": torch.cat(rows)}, metadata={"keys": json.dumps(keys)})
            path = self._folder / f"{_digest(content)}.safetensors"
            write_file(path, content)
        self._kept += len(keys)
        self._written(path, keys)


class ShardFolder:
    """Where each key lies in the shards of `folder`. A shard that is broken is removed and told of, so that its rows
    are computed anew; `say` is told."""

    def __init__(self, folder: Path, say: Callable[[str], None]):
        self.folder, self._say = folder, say
        self.where: dict[str, tuple[Path, int]] = {}
        """{key: (shard, row)}; empty before `index`."""
        self._whole: set[Path] = set()
        self._known = False

    def index(self, *, mend: bool) -> None:
        """Reads the shards' headers, once; `mend`: broken ones are removed instead of raised as `BrokenShard`."""
        if self._known:
            return
        where: dict[str, tuple[Path, int]] = {}
        for path in sorted(self.folder.glob("*.safetensors")):
            try:
                where.update({key: (path, row) for row, key in enumerate(shard_keys(path))})
            except BrokenShard as error:
                if not mend:
                    raise
                self._say(f"{error}; its utterances are computed anew.")
                path.unlink()
        self.where, self._known = where, True

    def drop_broken(self, wanted: Iterable[str]) -> None:
        """Checks every shard that holds something wanted, once; removes those that were changed."""
        for path in {self.where[key][0] for key in wanted if key in self.where} - self._whole:
            if file_sha256(path)[:32] == path.stem:
                self._whole.add(path)
                continue
            self._say(f"{path}: truncated or changed; its utterances are computed anew.")
            path.unlink()
            self.where = {key: place for key, place in self.where.items() if place[0] != path}

    def written(self, path: Path, keys: Sequence[str]) -> None:
        """A shard is on the disk: from here on its rows are found."""
        self._whole.add(path)
        self.where.update({key: (path, row) for row, key in enumerate(keys)})

    def rows(self, keys: Sequence[str | None]) -> Iterator[tuple[int, Tensor]]:
        """(position in `keys`, row) of every key that is there, shard by shard. Raises `BrokenShard`."""
        places: dict[Path, list[tuple[int, int]]] = {}
        for number, key in enumerate(keys):
            if key in self.where:
                path, row = self.where[key]
                places.setdefault(path, []).append((number, row))
        for path, entries in places.items():
            rows = read_shard(path)
            for number, row in entries:
                yield number, rows[row]


def shard_keys(path: Path) -> list[str]:
    """The keys of a shard's rows, from its header alone. Raises `BrokenShard`."""
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
    """All rows, after its SHA-256 is checked. Raises `BrokenShard`."""
    content = path.read_bytes()
    if _digest(content) != path.stem:
        raise BrokenShard(path)
    return load(content)["features"]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
