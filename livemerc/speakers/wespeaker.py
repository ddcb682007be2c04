"""WeSpeaker's embedders: Kaldi's filter banks of windows of 2 s, heard by a network in an ONNX file.

Wang et al. 2023, "Wespeaker: A Research and Production Oriented Speaker Embedding Learning Toolkit", arXiv 2210.17016.
Their networks take `feats` (B, T, 80) and give `embs` (B, D). What a network hears at once has its own mean taken off,
as in their training. A point is the mean of its windows, as with GE2E, which was not measured with them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from livemerc.config import SAMPLE_RATE_HZ
from livemerc.errors import ModelError
from livemerc.runtime.onnx import run, session
from livemerc.speakers.embedder import LONGEST_S, Course, SpeakerEmbedder, sliding, windows
from livemerc.speakers.scale import EmbedderScale, id_of

MEL_BINS = 80
FRAME_MS, HOP_MS = 25.0, 10.0
WINDOW_FRAMES = 200
"""Frames of 10 ms that the network hears at once: as many as it was mostly trained on."""
_FULL_SCALE = 1 << 15
"""The network was trained on samples of 16 bits."""
_LEAST = 1e-8


class WespeakerNetwork:
    """Filter banks (B, T, 80) -> embeddings (B, D) of length 1. `width`: D.

    Raises `ModelError` where the file cannot be read, or is no such network. mend: how to come by another.
    """

    def __init__(self, file: Path, mend: str) -> None:
        self._file, self._mend = file, mend
        self._session = session(file, mend=mend)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1 or len(inputs[0].shape) != 3 or inputs[0].shape[2] != MEL_BINS:
            raise self._no_embedder()
        self._input = inputs[0].name
        # Numbers of windows and of frames are not fixed in the file: both are asked for as they will come
        tried = [self._run(np.zeros((count, frames, MEL_BINS), np.float32)) for count, frames in ((1, 200), (2, 98))]
        if any(found.ndim != 2 or found.shape[0] != n for n, found in enumerate(tried, start=1)):
            raise self._no_embedder()
        self.width = int(tried[0].shape[1])
        if self.width < 2 or tried[1].shape[1] != self.width:
            raise self._no_embedder()

    def __call__(self, banks: np.ndarray) -> np.ndarray:
        found = self._run(banks - banks.mean(1, keepdims=True))
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), _LEAST)

    def _run(self, banks: np.ndarray) -> np.ndarray:
        (found,) = run(self._session, {self._input: np.ascontiguousarray(banks, np.float32)}, self._file, self._mend)
        return np.asarray(found)

    def _no_embedder(self) -> ModelError:
        return ModelError(
            f"{self._file}: this network makes no embeddings (B, D) of filter banks (B, T, {MEL_BINS}); {self._mend}."
        )


class WespeakerEmbedder(SpeakerEmbedder):
    """Of an ONNX file and of what was measured of it.

    Raises `ModelError` where the file is missing, damaged or no such network, or the scale is of another width.
    """

    def __init__(self, file: Path, scale: EmbedderScale, mend: str = "name another one in speakers.embedder") -> None:
        self._network = WespeakerNetwork(file, mend)
        self.width = self._network.width
        if len(scale.centre) != self.width:
            raise ModelError(
                f"{file}: its embeddings have {self.width} numbers, its centre {len(scale.centre)}; measure it again."
            )
        self.centre, self.scale = np.asarray(scale.centre, np.float32), scale.scale
        self.limits = scale.limits
        self.id = id_of(file, scale)

    def course(self, samples: np.ndarray, window_s: float, step_s: float) -> Course:
        """Of (n,) samples, at least a window, pauses included."""
        size = int((window_s * 1000 - FRAME_MS) // HOP_MS) + 1  # whole frames within a window
        return Course(self._network, sliding(filter_banks(samples), size, round(step_s * 1000 / HOP_MS)))

    def windows_of(self, voiced: np.ndarray) -> np.ndarray:
        """As `SpeakerEmbedder.windows_of`."""
        banks = filter_banks(voiced[: round(LONGEST_S * SAMPLE_RATE_HZ)])
        return self._network(covering(banks))


def covering(banks: np.ndarray) -> np.ndarray:
    """(N, 80) -> (windows, 200, 80), as few as hear all of it, evenly apart: each costs as much as 17 of GE2E's."""
    if len(banks) <= WINDOW_FRAMES:
        return windows(banks, WINDOW_FRAMES, WINDOW_FRAMES)
    count = -(-len(banks) // WINDOW_FRAMES)
    starts = np.linspace(0, len(banks) - WINDOW_FRAMES, count).round().astype(int)
    return np.stack([banks[start : start + WINDOW_FRAMES] for start in starts])


def filter_banks(samples: np.ndarray) -> np.ndarray:
    """(n,) float32 at 16 kHz, 25 ms or more -> (N, 80), logarithms: Kaldi's as WeSpeaker has them."""
    import torch
    from torchaudio.compliance.kaldi import fbank

    with torch.inference_mode():
        return fbank(
            torch.from_numpy(np.ascontiguousarray(samples, np.float32))[None] * _FULL_SCALE,
            num_mel_bins=MEL_BINS,
            frame_length=FRAME_MS,
            frame_shift=HOP_MS,
            window_type="hamming",
            dither=0.0,
            sample_frequency=float(SAMPLE_RATE_HZ),
            use_energy=False,
        ).numpy()
