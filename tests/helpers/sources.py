"""The demo's samples as a source, as fast as they are taken."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from helpers.paths import DEMO

from livemerc.audio.read import read_samples
from livemerc.audio.source import Block, SourceHealth
from livemerc.errors import InputError

RATE_HZ = 16_000


class Samples:
    """The demo, or another recording, from `start_s` to `end_s`; `endless`: then silent until closed; `fail`: then the
    cable is cut."""

    speakers: tuple[str, ...] = ()

    def __init__(
        self,
        end_s: float,
        *,
        start_s: float = 0.0,
        block_ms: float = 100.0,
        live: bool = False,
        endless: bool = False,
        fail: bool = False,
        path: Path = DEMO,
    ) -> None:
        self.name, self.rate_hz, self.live, self.warnings = f"from {start_s}", RATE_HZ, live, list[str]()
        samples = read_samples(path, RATE_HZ, start_s, end_s)
        size = round(block_ms * RATE_HZ / 1000)
        self._blocks = [Block(samples[i : i + size], i / RATE_HZ) for i in range(0, len(samples), size)]
        self._endless, self._fail, self._closed = endless, fail, threading.Event()

    def blocks(self) -> Iterator[Block]:
        for block in self._blocks:
            if self._closed.is_set():
                return
            yield block
        if self._fail:
            raise InputError("the cable was cut; plug it in.")
        while self._endless and not self._closed.wait(0.02):
            pass

    def close(self) -> None:
        self._closed.set()

    def health(self) -> SourceHealth:
        return SourceHealth()
