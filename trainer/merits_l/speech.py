"""Stage I, speech: a light head over the frozen front end's layers is trained on single utterances; it gives S1."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from livemerc.errors import InputError
from livemerc.model.speech_head import SpeechHead
from trainer.loop.fit import fit
from trainer.loop.losses import ExtraTerms, cross_entropy
from trainer.loop.stage import LoopOptions
from trainer.merits_l.config import SpeechSection
from trainer.merits_l.data import Split, class_weights, dev_figures, make_stage

NAME = "speech"

Fetch = Callable[[np.ndarray], np.ndarray]
"""Indices (n,) into a split's utterances that have audio -> their layer features (n, L, D) float32."""


@torch.inference_mode()
def encode(head: SpeechHead, fetch: Fetch, rows: np.ndarray, batch: int = 256) -> tuple[Tensor, Tensor]:
    """S1 (n, D) and Stage I logits (n, C) of the utterances `rows`, on the CPU, float32."""
    head.eval()
    device = next(head.parameters()).device
    s1 = [
        head(torch.from_numpy(fetch(rows[i : i + batch])).to(device)).float().cpu() for i in range(0, len(rows), batch)
    ]
    joined = torch.cat(s1) if s1 else torch.zeros(0, head.dimension)
    return joined, head.classify(joined.to(device)).float().cpu()


def train_speech(
    head: SpeechHead,
    train: Split,
    dev: Split,
    voiced: dict[str, np.ndarray],
    fetch: dict[str, Fetch],
    section: SpeechSection,
    seed: int,
    out: Path,
    options: LoopOptions,
) -> dict[str, float]:
    """Trains `head`. `voiced` and `fetch` by split ("train", "dev"): which utterances have features, and the features.

    Raises `InputError` where a split has no labelled utterance with audio.
    """
    rows = {split.name: voiced[split.name][split.labels[voiced[split.name]] >= 0] for split in (train, dev)}
    for name, found in rows.items():
        if not len(found):
            raise InputError(f"no labelled utterance of split {name!r} has audio; the speech branch needs voices.")
    device = next(head.parameters()).device
    weights = class_weights(section, train.labels[rows["train"]], head.head.out_features, device)
    torch.manual_seed(seed)
    extra = ExtraTerms(head.dimension, section.contrastive, section.contrastive_temperature, section.sentiment)
    extra = extra.to(device)

    def make(rng: np.random.Generator) -> Iterable[np.ndarray]:
        order = rng.permutation(rows["train"])
        return (order[i : i + section.batch] for i in range(0, len(order), section.batch))

    def loss_of(chosen: np.ndarray) -> Tensor:
        s1 = head(torch.from_numpy(fetch["train"](chosen)).to(device))
        labels = torch.from_numpy(train.labels[chosen]).to(device)
        loss = cross_entropy(head.classify(s1), labels, weights, section.label_smoothing)
        return loss + extra(s1, labels, torch.from_numpy(train.sentiments[chosen]).to(device))

    def score() -> dict[str, float]:
        return dev_figures(encode(head, fetch["dev"], rows["dev"])[1], dev.labels[rows["dev"]])

    module = nn.ModuleDict({"head": head, "extra": extra})
    batches = math.ceil(len(rows["train"]) / section.batch)
    return fit(make_stage(NAME, module, section, seed, make, loss_of, score, batches), out, options)
