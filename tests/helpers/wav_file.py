"""Samples to a WAV file with the standard library: what the tests write does not come from the reader under test."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np


def write(path: Path, samples: np.ndarray, rate_hz: int) -> Path:
    """(n,) or (n, channels) float in [-1, 1] -> 16 bit."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path
