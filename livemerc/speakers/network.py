"""GE2E's network: what a voice sounds like, as one point on a sphere.

Wan, Wang, Papir and Lopez Moreno 2018, "Generalized End-to-End Loss for Speaker Verification", arXiv 1710.10467: a
stack of LSTMs over mel frames, the last state of the last one projected and normalised. Its weights are those of
Resemblyzer (Apache-2.0), which takes the power of 40 mel bands, not its logarithm, and windows of 1.6 s.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

MEL_BINS = 40
WINDOW_FRAMES = 160
"""Frames of 10 ms in what the network sees at once, as it was trained."""
WIDTH = 256
"""Of an embedding."""
LEVEL_DBFS = -30.0
"""Root mean square that a voice is brought to: the network takes powers, so a level would be a voice."""
_DEPTH = 3


class Ge2eNetwork(nn.Module):
    """Mel powers (B, N, 40) -> embeddings (B, 256) of length 1, none of their numbers negative."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(MEL_BINS, WIDTH, _DEPTH, batch_first=True)
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, mel: Tensor) -> Tensor:
        _, (state, _) = self.lstm(mel)
        return nn.functional.normalize(torch.relu(self.linear(state[-1])), dim=1, eps=1e-8)


def levelled(samples: np.ndarray) -> np.ndarray:
    """(n,) float32 -> the same at `LEVEL_DBFS`; silence stays silence."""
    rms = float(np.sqrt(np.mean(np.square(samples), dtype=np.float64)))
    return samples if rms == 0 else (samples * np.float32(10 ** (LEVEL_DBFS / 20) / rms)).astype(np.float32)
