"""A whole short file at once, for callers that hold one utterance and no stream."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from livemerc.audio.file_source import FileSource


def read_samples(path: str | Path, rate_hz: int) -> np.ndarray:
    """(n,) float32 mono at `rate_hz`. Raises `InputError` as `FileSource` does."""
    source = FileSource(path, speed=0)
    samples = np.concatenate([block.samples for block in source.blocks()])
    if source.rate_hz == rate_hz:
        return samples
    import soxr

    return np.asarray(soxr.resample(samples, source.rate_hz, rate_hz), np.float32)
