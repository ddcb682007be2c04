"""A stretch of a file as one array: for training, evaluation and `predict`, where nothing streams."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from livemerc.audio.file_source import FileSource
from livemerc.errors import InputError


def stretch(samples: np.ndarray, rate_hz: int, start_s: float, end_s: float | None, path: str | Path) -> np.ndarray:
    """The part of a decoded recording from `start_s` to `end_s` (None = its end), (n,), n >= 1. Raises `InputError`."""
    part = samples[round(start_s * rate_hz) : None if end_s is None else round(end_s * rate_hz)]
    if not len(part):
        raise InputError(f"{path}: no audio from {start_s:g} s on; the recording ends before.")
    return part


def _silence(samples: int) -> np.ndarray:
    """(n,) float32; none where the clock has not run ahead."""
    return np.zeros(max(0, samples), np.float32)


def read_samples(path: str | Path, rate_hz: int, start_s: float = 0.0, end_s: float | None = None) -> np.ndarray:
    """Mono samples of `path` from `start_s` to `end_s` (None = the end): (n,) float32 at `rate_hz`, n >= 1.

    Times are those of the container: what is not there (a track that begins late, a gap) is silence.
    Raises `InputError` (exit 5) for a file that cannot be read or a stretch that holds no audio.
    """
    import soxr

    source = FileSource(path, speed=0, block_ms=1000.0)
    first = round(start_s * source.rate_hz)
    last = None if end_s is None else round(end_s * source.rate_hz)
    pieces, position = [], 0
    try:
        for block in source.blocks():
            for samples in (_silence(round(block.start_s * source.rate_hz) - position), block.samples):
                begin = max(0, first - position)
                stop = len(samples) if last is None else min(len(samples), last - position)
                if stop > begin:
                    pieces.append(samples[begin:stop])
                position += len(samples)
            if last is not None and position >= last:
                break
    finally:
        source.close()
    if not pieces:
        raise InputError(
            f"{path}: no audio between {start_s:g} s and {'the end' if end_s is None else f'{end_s:g} s'}."
        )
    samples = np.concatenate(pieces)
    if source.rate_hz != rate_hz:
        samples = soxr.resample(samples, source.rate_hz, rate_hz)
    return np.ascontiguousarray(samples, np.float32)
