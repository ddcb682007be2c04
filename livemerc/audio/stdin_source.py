"""Samples from a pipe: s16le, mono; or a file that can be read as it comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from livemerc.audio.container import Decoder
from livemerc.audio.pipe import Pipe, file_in
from livemerc.audio.source import Block, SourceHealth, block_length
from livemerc.errors import InputError


class StdinSource:
    """Raw s16le mono at `rate_hz` from a binary stream; times are counted in samples.

    What begins like a file (WAV, FLAC, Ogg, Matroska, MP3 ...) is decoded as that, at its own times, and handed over at
    `rate_hz`; `warnings` says so. `blocks()` raises `InputError` for a file that cannot be read as it comes, and if the
    stream ends without a single sample: a pipe cannot be looked into before. `close()` unblocks a waiting read.
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
        self._pipe = Pipe(stream)
        self._block_samples = block_length(rate_hz, block_ms)

    def blocks(self) -> Iterator[Block]:
        kind = file_in(self._pipe)
        if kind is None:
            yield from self._raw()
        elif not self._pipe.closed:
            self.warnings.append(f"stdin holds a file ({kind}) and no raw samples; it is read as that file.")
            yield from self._decoded(kind)

    def _raw(self) -> Iterator[Block]:
        done = 0
        held = bytearray()
        block_bytes = 2 * self._block_samples
        while data := self._pipe.read():
            held += data
            whole = len(held) - len(held) % block_bytes
            for at in range(0, whole, block_bytes):
                yield self._block(held[at : at + block_bytes], done)
                done += block_bytes // 2
            del held[:whole]
        if self._pipe.closed:
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

    def _decoded(self, kind: str) -> Iterator[Block]:
        try:
            decoder = Decoder.of_pipe(self._pipe, self.rate_hz)
        except InputError as error:
            if self._pipe.closed:
                return
            raise InputError(
                f"stdin holds a file ({kind}) that cannot be read from a pipe; give it with --file, or pipe "
                f"`ffmpeg -i FILE -f s16le -ac 1 -ar {self.rate_hz} -` into --stdin."
            ) from error
        self.warnings += decoder.remarks
        try:
            for samples, start in decoder.chunks(self._block_samples):
                if self._pipe.closed:
                    return
                yield Block(samples[0], start / self.rate_hz)
            if not self._pipe.closed:
                self.warnings += decoder.verdict()
        finally:
            decoder.close()

    def close(self) -> None:
        self._pipe.close()

    def health(self) -> SourceHealth:
        return SourceHealth()
