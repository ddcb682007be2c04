"""From one rate to another, mostly 16 kHz, in pieces, without losing the clock."""

from __future__ import annotations

from typing import Any

import numpy as np

from livemerc.config import SAMPLE_RATE_HZ


class Resampler:
    """Streaming resampler: pieces give the same samples as the whole (soxr, HQ: it holds back about 33 ms).

    `feed` takes and gives (n,) float32. Output sample k lies k / `to_hz` s after the first input sample: soxr
    compensates its own delay. `flush` gives the rest and makes the object ready for a fresh signal.
    """

    def __init__(self, rate_hz: int, to_hz: int = SAMPLE_RATE_HZ) -> None:
        self._stream: Any = None
        if rate_hz != to_hz:
            import soxr

            self._stream = soxr.ResampleStream(rate_hz, to_hz, 1, dtype="float32", quality="HQ")
        self._quantum = max(1, rate_hz // 100)
        self._held = np.zeros(0, np.float32)

    def feed(self, samples: np.ndarray) -> np.ndarray:
        if self._stream is None:
            return samples
        # soxr is always fed in pieces of 10 ms: its rounding depends on how it is fed, and results must not
        joined = np.concatenate((self._held, samples)) if len(self._held) else samples
        whole = len(joined) - len(joined) % self._quantum
        self._held = joined[whole:].copy()
        out = [self._stream.resample_chunk(joined[i : i + self._quantum]) for i in range(0, whole, self._quantum)]
        return np.concatenate(out) if out else np.zeros(0, np.float32)

    def flush(self) -> np.ndarray:
        if self._stream is None:
            return np.zeros(0, np.float32)
        out = self._stream.resample_chunk(self._held, last=True)
        self._held = np.zeros(0, np.float32)
        self._stream.clear()
        return out
