"""GE2E's network: what a voice sounds like, as one point on a sphere.

Wan, Wang, Papir and Lopez Moreno 2018, "Generalized End-to-End Loss for Speaker Verification", arXiv 1710.10467: a
stack of LSTMs over mel frames, the last state of the last one projected and normalised. Its weights began as those of
Resemblyzer (Apache-2.0), which takes the power of 40 mel bands, not its logarithm, and windows of 1.6 s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from livemerc.runtime.onnx import session

GRAPH = "ge2e.onnx"
"""The network without its weights; tools/make_speaker_encoder.py draws it."""
MEL_BINS = 40
WINDOW_FRAMES = 160
"""Frames of 10 ms in what the network sees at once, as it was trained."""
WIDTH = 256
"""Of an embedding."""
LEVEL_DBFS = -30.0
"""Root mean square that a voice is brought to: the network takes powers, so a level would be a voice."""
DEPTH = 3


class Ge2eNetwork:
    """Mel powers (B, N, 40) -> embeddings (B, 256) of length 1, none of their numbers negative.

    By onnxruntime: a few windows at once take it half as long as they take torch. weights: float32, named and shaped as
    torch's LSTM has them.
    """

    def __init__(self, folder: Path, weights: Mapping[str, np.ndarray]) -> None:
        self._session = session(folder / GRAPH, dict(_renamed(weights)))

    def __call__(self, mel: np.ndarray) -> np.ndarray:
        (found,) = self._session.run(None, {"mel": np.ascontiguousarray(mel.transpose(1, 0, 2))})
        return found


def _renamed(weights: Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """As ONNX names and orders them. Its gates: input, output, forget, cell; torch's: input, forget, cell, output."""

    def gates(name: str) -> np.ndarray:
        i, f, c, o = np.split(weights[name], 4)
        return np.concatenate((i, o, f, c))

    for layer in range(DEPTH):
        yield f"W{layer}", gates(f"lstm.weight_ih_l{layer}")[None]
        yield f"R{layer}", gates(f"lstm.weight_hh_l{layer}")[None]
        yield f"B{layer}", np.concatenate([gates(f"lstm.bias_{kind}_l{layer}") for kind in ("ih", "hh")])[None]
    yield "linear.weight", weights["linear.weight"]
    yield "linear.bias", weights["linear.bias"]


def levelled(samples: np.ndarray) -> np.ndarray:
    """(n,) float32 -> the same at `LEVEL_DBFS`; silence stays silence."""
    rms = float(np.sqrt(np.mean(np.square(samples), dtype=np.float64)))
    return samples if rms == 0 else (samples * np.float32(10 ** (LEVEL_DBFS / 20) / rms)).astype(np.float32)
