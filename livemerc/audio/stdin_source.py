"""Raw samples from a pipe: s16le, mono."""

from __future__ import annotations

import contextlib
import io
import os
import select
import sys
import threading
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from livemerc.audio.source import Block, SourceHealth, block_length
from livemerc.errors import InputError

_READ_BYTES = 65_536


class StdinSource:
    """Raw s16le mono at `rate_hz` from a binary stream; times are counted in samples.

    `blocks()` raises `InputError` if the stream ends without a single sample: a pipe cannot be looked into before.
    `close()` unblocks a waiting read (on Windows a pipe cannot be waited for: there it ends with the next data).
    """

    def __init__(self, stream: BinaryIO, rate_hz: int, block_ms: float = 20.0) -> None:
        if not 1_000 <= rate_hz <= 384_000:
            raise InputError(
                f"--rate {rate_hz} is no sample rate; give the rate of the raw samples, for instance 16000."
            )
        self.name = "stdin"
        self.rate_hz = rate_hz
        self.live = True
        self.speakers: tuple[str, ...] = ()
        self.warnings: list[str] = []
        self._stream = stream
        self._block_bytes = 2 * block_length(rate_hz, block_ms)
        self._closed = threading.Event()
        self._wake_read, self._wake_write = os.pipe()

    def blocks(self) -> Iterator[Block]:
        done = 0
        held = bytearray()
        for data in self._reads():
            held += data
            whole = len(held) - len(held) % self._block_bytes
            for at in range(0, whole, self._block_bytes):
                yield self._block(held[at : at + self._block_bytes], done)
                done += self._block_bytes // 2
            del held[:whole]
        if self._closed.is_set():
            return
        if len(held) % 2:
            self.warnings.append("stdin: the last sample was cut in half (an odd number of bytes) and was left out.")
            del held[-1:]
        if held:
            yield self._block(held, done)
        elif not done:
            raise InputError(
                "stdin holds no audio; pipe raw s16le mono samples into it and name their rate with --rate."
            )

    def _block(self, data: bytes | bytearray, done: int) -> Block:
        samples = np.frombuffer(bytes(data), dtype="<i2").astype(np.float32) / 32768.0
        return Block(samples, done / self.rate_hz)

    def _reads(self) -> Iterator[bytes]:
        try:
            descriptor = self._stream.fileno()
        except io.UnsupportedOperation:  # an object in memory never blocks
            while not self._closed.is_set() and (data := self._stream.read(_READ_BYTES)):
                yield data
            return
        while not self._closed.is_set():
            if sys.platform != "win32":
                ready, _, _ = select.select([descriptor, self._wake_read], [], [])
                if self._wake_read in ready:
                    return
            # not stream.read(): its lock would be held across the wait
            data = os.read(descriptor, _READ_BYTES)
            if not data:
                return
            yield data

    def close(self) -> None:
        if not self._closed.is_set():
            self._closed.set()
            os.write(self._wake_write, b"x")

    def health(self) -> SourceHealth:
        return SourceHealth()

    def __del__(self) -> None:
        for descriptor in (getattr(self, "_wake_read", None), getattr(self, "_wake_write", None)):
            if descriptor is not None:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
