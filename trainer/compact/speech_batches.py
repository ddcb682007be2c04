"""Training batches from cached log-mels: balanced draws, and augmentation that costs next to nothing in this domain."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from trainer.compact.config import SpeechStage
from trainer.compact.log_mels import Features


def draw_weights(features: Features, neutral_share: float) -> np.ndarray:
    """Chance of each clip (N,), summing to 1: corpora alike, and the classes alike inside a corpus.

    nEMO has three times RAVDESS's clips, and neutral is a sixth of one and a fifth of the other: neither may decide
    by its size. Corpora of read speech (one class) get `neutral_share` of all draws together.
    """
    corpora = np.array([c.corpus for c in features.clips])
    labels = np.array([c.label for c in features.clips])
    acted = [c for c in dict.fromkeys(corpora) if len(set(labels[corpora == c])) > 1]
    read = [c for c in dict.fromkeys(corpora) if c not in acted]
    share = neutral_share if read and acted else 0.0
    weights = np.zeros(len(features))
    for corpus in [*acted, *read]:
        of_corpus = (1.0 - share) / len(acted) if corpus in acted else share / len(read)
        present = sorted(set(labels[corpora == corpus]))
        for label in present:
            cell = (corpora == corpus) & (labels == label)
            weights[cell] = of_corpus / len(present) / cell.sum()
    return weights / weights.sum()


def _resample(log_mel: np.ndarray, frames: int, rng: np.random.Generator, config: SpeechStage) -> np.ndarray:
    """A crop of at most `frames` frames at a random tempo: (n, M) float32."""
    tempo = rng.uniform(1.0 - config.tempo, 1.0 + config.tempo)
    n = min(frames, max(1, int(len(log_mel) / tempo)))
    slack = len(log_mel) - 1 - (n - 1) * tempo
    at = rng.uniform(0.0, max(slack, 0.0)) + np.arange(n) * tempo
    low = np.minimum(at.astype(np.int64), len(log_mel) - 1)
    high = np.minimum(low + 1, len(log_mel) - 1)
    part = (at - low).astype(np.float32)[:, None]
    return log_mel[low] * (1.0 - part) + log_mel[high] * part


def warp_matrices(size: int, bins: int, rng: np.random.Generator, config: SpeechStage) -> np.ndarray:
    """(size, M, M): shift and stretch of the mel axis, as a longer or shorter vocal tract and another pitch do."""
    scale = rng.uniform(1.0 - config.warp, 1.0 + config.warp, size)[:, None]
    shift = rng.uniform(-config.shift_bins, config.shift_bins, size)[:, None]
    at = np.clip((np.arange(bins)[None] - bins / 2) * scale + bins / 2 + shift, 0, bins - 1)
    distance = np.abs(at[:, None, :] - np.arange(bins)[None, :, None])
    return np.maximum(1.0 - distance, 0.0).astype(np.float32)  # linear interpolation


def equalisers(size: int, bins: int, rng: np.random.Generator, config: SpeechStage) -> np.ndarray:
    """(size, 1, M) smooth random curves in nepers of power: microphones that nobody recorded with."""
    order = np.arange(1, 4)[:, None]
    basis = np.cos(np.pi * order * (np.arange(bins)[None] + 0.5) / bins) / order
    weights = rng.normal(0.0, config.equaliser, (size, 3))
    return (weights @ basis)[:, None, :].astype(np.float32)


def spec_augment(views: Tensor, rng: np.random.Generator, config: SpeechStage) -> Tensor:
    """SpecAugment (Park et al. 2019): two bands of bins and two stretches of frames set to the mean, which is 0."""
    size, _, frames, bins = views.shape
    keep = np.ones((size, 1, frames, bins), np.float32)
    for row in keep[:, 0]:
        for _ in range(2):
            width = int(rng.integers(0, config.mask_bins + 1))
            start = int(rng.integers(0, bins - width + 1))
            row[:, start : start + width] = 0.0
            length = int(rng.integers(0, min(config.mask_frames, frames // 4) + 1))
            begin = int(rng.integers(0, frames - length + 1))
            row[begin : begin + length] = 0.0
    return views * torch.from_numpy(keep)


def training_batches(
    features: Features, config: SpeechStage, rng: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """One epoch of (log-mel (B, N, M), frames (B,), labels (B,)); deterministic in `rng`."""
    weights = draw_weights(features, config.neutral_share)
    for _ in range(config.clips_per_epoch // config.batch):
        chosen = rng.choice(len(features), size=config.batch, p=weights)
        versions = np.where(
            rng.random(config.batch) < config.clean_share, 0, rng.integers(1, len(features.log_mel), config.batch)
        )
        longest = int(rng.uniform(config.crop_min_s, config.crop_max_s) * 100)
        crops = [
            _resample(features.log_mel[v][i].astype(np.float32), longest, rng, config)
            for v, i in zip(versions, chosen, strict=True)
        ]
        bins = crops[0].shape[1]
        log_mel = pad_sequence([torch.from_numpy(crop) for crop in crops], batch_first=True).numpy()
        log_mel = log_mel @ warp_matrices(config.batch, bins, rng, config)
        log_mel += equalisers(config.batch, bins, rng, config)
        labels = torch.tensor([features.clips[i].label for i in chosen])
        yield torch.from_numpy(log_mel), torch.tensor([len(c) for c in crops]), labels


def evaluation_batches(log_mel: list[np.ndarray], size: int) -> Iterator[tuple[list[int], Tensor, Tensor]]:
    """All clips whole, sorted by length to save padding: (indices, log-mel (B, N, M), frames (B,))."""
    order = sorted(range(len(log_mel)), key=lambda i: len(log_mel[i]))
    for start in range(0, len(order), size):
        part = order[start : start + size]
        frames = torch.tensor([len(log_mel[i]) for i in part])
        clips = [torch.from_numpy(log_mel[i].astype(np.float32)) for i in part]
        yield part, pad_sequence(clips, batch_first=True), frames
