"""A session's folder while it is being recorded, written by hand."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import pytest

from livemerc.events import Event, encode
from livemerc.sessions.folder import EVENTS_FILE

fcntl = pytest.importorskip("fcntl")  # a living recorder is known by its lock


class GrowingSession:
    """A session's folder as its recorder makes it: the journal stays locked until `die`."""

    def __init__(self, path: Path, events: list[Event]) -> None:
        self.path = path
        self._rest = iter(events)
        path.mkdir(exist_ok=True)
        self.file: BinaryIO = (path / EVENTS_FILE).open("ab", buffering=0)
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def write(self, count: int = 1_000_000) -> None:
        for event, _ in zip(self._rest, range(count), strict=False):
            self.file.write(encode(event) + b"\n")

    def die(self) -> None:
        self.file.close()
