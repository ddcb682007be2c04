"""What a voice is measured beside: a plain regression in the same protocol, and a checkpoint's log-mel encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from livemerc.audio.read import read_samples
from livemerc.config import SAMPLE_RATE_HZ
from livemerc.emotions import LABELS
from livemerc.errors import ConfigError
from livemerc.model.checkpoint import load_checkpoint
from livemerc.model.speech import SpeechEncoder
from trainer.compact.voice_batches import Voices
from trainer.corpora.clips import Clip

C = 1e-4
"""Inverse strength of the regression's L2 term: of the values that were tried before, the best."""
SHRINKAGE = 5
"""Utterances of everybody's mean (0) in the regression's baseline."""
_MOST_ITERATIONS = 300
_NEVER = -1e4
"""Logit of a class that the regression was never shown."""


def plain_baseline(earlier: Tensor) -> Tensor:
    """Mean of a speaker's earlier z (N, S), shrunk towards everybody's: (S,)."""
    return earlier.sum(0) / (len(earlier) + SHRINKAGE)


class Regression:
    """Multinomial logistic regression on z less the baseline, called as a head is: z (B, S), b (B, S) or None (cold)
    -> (B, C)."""

    def __init__(self, voices: Voices, weights: np.ndarray, baselines: np.ndarray | None):
        """`weights` (N,): chance of each clip in training; `baselines` (N, S), None: cold."""
        from sklearn.linear_model import LogisticRegression

        x = voices.z[0].float().numpy()
        if baselines is not None:
            x -= baselines
        model = LogisticRegression(C=C, max_iter=_MOST_ITERATIONS)
        model.fit(x, voices.label, sample_weight=weights * len(voices))
        self._weight = torch.zeros(len(LABELS), x.shape[1])
        self._bias = torch.full((len(LABELS),), _NEVER)
        self._weight[model.classes_] = torch.from_numpy(model.coef_).float()
        self._bias[model.classes_] = torch.from_numpy(model.intercept_).float()

    def __call__(self, z: Tensor, baseline: Tensor | None) -> Tensor:
        return (z if baseline is None else z - baseline) @ self._weight.T + self._bias


def log_mel_logits(checkpoint: Path, clips: list[Clip]) -> np.ndarray:
    """Stage I logits (N, C) of a checkpoint of format 1 whose voice is the compact log-mel encoder.

    Raises `ModelError`, and `ConfigError` for another checkpoint.
    """
    encoder = load_checkpoint(checkpoint, "cpu").speech
    if not isinstance(encoder, SpeechEncoder):
        raise ConfigError(
            f"--against {checkpoint}: its voice is no log-mel encoder; name a checkpoint such as compact-2."
        )
    found = []
    with torch.inference_mode():
        for clip in clips:
            samples = torch.from_numpy(read_samples(clip.path, SAMPLE_RATE_HZ, clip.start_s, clip.end_s))[None]
            found.append(encoder.classify(encoder(samples, torch.tensor([samples.shape[1]])))[0].numpy())
    return np.stack(found).astype(np.float32)
