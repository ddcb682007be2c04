"""The encoder of the Whisper that ASR runs anyway, as a frozen speech front end: one encoder pass for both jobs.

faster-whisper hands the encoder's output to its decoder; its mean over the utterance's frames is one more use of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from livemerc.asr.models import cached_path, is_complete
from livemerc.errors import ModelError
from livemerc.model.frozen_speech import FrozenSpeech

WINDOW_SAMPLES = 480_000
"""Whisper's 30 s; longer utterances are encoded window by window."""
SAMPLES_A_FRAME = 320
"""Two mel frames of 10 ms."""


class WhisperSpeech(FrozenSpeech):
    """`features`: (B, 1, D), the mean of the encoder's last states over the frames that hold the utterance.

    The mel is made, cut and padded as `WhisperModel.transcribe` does for one window, so this is the output that the
    decoder sees. `source`: a folder in CTranslate2's format or the name of a cached model. Raises `ModelError`.
    """

    def __init__(self, source: str, device: str = "auto", compute_type: str = "default"):
        super().__init__()
        folder = Path(source) if Path(source).is_dir() else cached_path(source)
        if folder is None or not is_complete(folder):
            raise ModelError(
                f"whisper:{source}: no complete model there; run `livemerc models pull`, or name its folder."
            )
        from faster_whisper import WhisperModel

        self.name = f"whisper:{source}"
        self.folder, self.compute_type = folder, compute_type
        try:
            self.whisper: Any = WhisperModel(
                str(folder), device=device, compute_type=compute_type, cpu_threads=1, local_files_only=True
            )
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"whisper:{source}: cannot be loaded ({error}); convert or fetch it again.") from error
        self.layers = 1
        self.dimension = encode_mean(self.whisper, np.zeros(SAMPLES_A_FRAME, np.float32)).shape[0]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the weights and how they are computed, in hex."""
        with (self.folder / "model.bin").open("rb") as file:
            return hashlib.sha256(hashlib.file_digest(file, "sha256").digest() + self.compute_type.encode()).hexdigest()

    def features(self, samples: Sequence[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack([self._one(np.asarray(s, np.float32)) for s in samples]))[:, None]

    def _one(self, samples: np.ndarray) -> np.ndarray:
        parts = [samples[i : i + WINDOW_SAMPLES] for i in range(0, len(samples), WINDOW_SAMPLES)]
        return np.average([encode_mean(self.whisper, p) for p in parts], axis=0, weights=[len(p) for p in parts])


def encode_mean(whisper: Any, samples: np.ndarray) -> np.ndarray:
    """One window's samples -> (D,) float32: mean over the encoder's frames that hold them."""
    from faster_whisper.audio import pad_or_trim

    mel = whisper.feature_extractor(samples)
    states = whisper.encode(pad_or_trim(mel[:, : max(1, mel.shape[-1] - 1)]))
    return mean_of_frames(states, len(samples))


def mean_of_frames(states: Any, samples: int) -> np.ndarray:
    """The encoder's output (1, 1500, D), a CTranslate2 `StorageView` -> mean over the frames of `samples` samples."""
    import ctranslate2

    on_cpu = states.to_device(ctranslate2.Device.cpu) if states.device == "cuda" else states
    frames = np.asarray(on_cpu.to(ctranslate2.DataType.float32))[0]
    count = min(len(frames), max(1, -(-samples // SAMPLES_A_FRAME)))
    return frames[:count].mean(0)
