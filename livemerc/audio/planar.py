"""FFmpeg's samples, whatever their format, as numbers."""

from __future__ import annotations

import numpy as np


def planar(samples: np.ndarray, channels: int) -> np.ndarray:
    """A frame's array, interleaved or not, of integers or floats, as (channels, n) float32 in [-1, 1]."""
    if samples.shape[0] != channels:  # interleaved
        samples = samples.reshape(-1, channels).T
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    if np.issubdtype(samples.dtype, np.integer):
        return samples.astype(np.float32) / -float(np.iinfo(samples.dtype).min)
    return np.nan_to_num(samples.astype(np.float32), nan=0.0, posinf=1.0, neginf=-1.0)
