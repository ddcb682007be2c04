"""Frames: the fixed length that a voice activity detector takes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

_GRID_PER_4_S = 25
"""Frames of every detector (20 and 32 ms) begin together every 160 ms."""


def samples_between_grid_points(rate_hz: int) -> int:
    """Of a source: ears that begin after a multiple of so many samples have the frames of those that began before."""
    return 4 * rate_hz // math.gcd(4 * rate_hz, _GRID_PER_4_S)


class Framer:
    """Cuts whatever comes into frames of `frame_samples`; the rest waits for more."""

    def __init__(self, frame_samples: int) -> None:
        self.frame_samples = frame_samples
        self._held = np.zeros(0, np.float32)

    @property
    def held_samples(self) -> int:
        return len(self._held)

    def feed(self, samples: np.ndarray) -> Iterator[np.ndarray]:
        """(n,) float32 -> frames (frame_samples,) float32, each its own memory."""
        joined = np.concatenate((self._held, samples)) if len(self._held) else samples
        size = self.frame_samples
        whole = len(joined) - len(joined) % size
        self._held = joined[whole:].copy()
        for start in range(0, whole, size):
            yield joined[start : start + size].copy()

    def flush(self) -> np.ndarray | None:
        """The rest, padded with silence to a whole frame; None if nothing waits."""
        if not len(self._held):
            return None
        frame = np.zeros(self.frame_samples, np.float32)
        frame[: len(self._held)] = self._held
        self._held = np.zeros(0, np.float32)
        return frame
