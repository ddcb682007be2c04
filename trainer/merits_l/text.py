"""Stage 0 and Stage I, text: the encoder with its FC is fine-tuned on single utterances, then frozen; it gives T1."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from livemerc.errors import InputError
from livemerc.model.text import TextEncoder, tokenize
from trainer.corpora.corpus import SENTIMENTS
from trainer.loop.fit import autocast, fit
from trainer.loop.losses import ExtraTerms, cross_entropy
from trainer.loop.stage import LoopOptions
from trainer.loop.windows import bucketed
from trainer.merits_l.config import PretrainSection, TextSection
from trainer.merits_l.data import Split, class_weights, dev_figures, make_stage

NAME = "text"


@dataclass(frozen=True, slots=True)
class TextRows:
    """Texts with labels (n,) and sentiments (n,), -1 where unknown."""

    texts: list[str]
    labels: np.ndarray
    sentiments: np.ndarray

    @classmethod
    def of(cls, split: Split) -> TextRows:
        rows = np.flatnonzero(split.has_text)
        if not (split.labels[rows] >= 0).any():
            raise InputError(f"no labelled utterance of split {split.name!r} has a text; the text branch needs words.")
        return cls([split.utterances[i].text for i in rows], split.labels[rows], split.sentiments[rows])


@torch.inference_mode()
def encode(encoder: TextEncoder, tokenizer: Any, texts: Sequence[str], batch: int = 64) -> tuple[Tensor, Tensor]:
    """Texts -> T1 (n, D) and Stage I logits (n, C) on the CPU, float32, in the order given.

    In full precision: the live monitor encodes one utterance at a time and must meet the same numbers.
    """
    encoder.eval()
    device = next(encoder.parameters()).device
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    t1 = torch.zeros(len(texts), encoder.dimension)
    for start in range(0, len(order), batch):
        part = order[start : start + batch]
        ids, mask = tokenize(tokenizer, [texts[i] for i in part])
        t1[part] = encoder(ids.to(device), mask.to(device)).float().cpu()
    return t1, torch.cat([encoder.classify(x.to(device)).float().cpu() for x in t1.split(4096)])


def train_text(
    encoder: TextEncoder,
    tokenizer: Any,
    train: TextRows,
    dev: TextRows,
    section: TextSection | PretrainSection,
    seed: int,
    out: Path,
    options: LoopOptions,
    name: str = NAME,
) -> dict[str, float]:
    """Fine-tunes `encoder`; on return it is that of the epoch with the best dev weighted F1. Files as of `fit`."""
    device = next(encoder.parameters()).device
    weights = class_weights(section, train.labels, encoder.head.out_features, device)
    terms = (0.0, 1.0, 0.0)
    if isinstance(section, TextSection):
        terms = (section.contrastive, section.contrastive_temperature, section.sentiment)
    torch.manual_seed(seed)
    extra = ExtraTerms(encoder.dimension, *terms).to(device)
    sizes = np.array([len(t) for t in train.texts])

    def make(rng: np.random.Generator) -> Iterable[np.ndarray]:
        return bucketed(sizes, section.batch, rng)

    def loss_of(rows: np.ndarray) -> Tensor:
        ids, mask = tokenize(tokenizer, [train.texts[i] for i in rows])
        t1 = encoder(ids.to(device), mask.to(device))
        labels = torch.from_numpy(train.labels[rows]).to(device)
        loss = cross_entropy(encoder.classify(t1), labels, weights, section.label_smoothing)
        return loss + extra(t1, labels, torch.from_numpy(train.sentiments[rows]).to(device))

    def score() -> dict[str, float]:
        with autocast(device, options.precision):
            logits = encode(encoder, tokenizer, dev.texts)[1]
        return dev_figures(logits, dev.labels)

    module = nn.ModuleDict({"encoder": encoder, "extra": extra})
    batches = math.ceil(len(sizes) / section.batch)
    return fit(make_stage(name, module, section, seed, make, loss_of, score, batches), out, options)


def load_text(encoder: TextEncoder, state: dict[str, Tensor], *, head: bool = True) -> None:
    """The encoder's part of a state that `train_text` kept; `head` False: all but the classifier (Stage 0 -> I)."""
    own = {k.removeprefix("encoder."): v for k, v in state.items() if k.startswith("encoder.")}
    if not head:
        own = {k: v for k, v in own.items() if not k.startswith("head.")}
    encoder.load_state_dict({**encoder.state_dict(), **own})


def split_pseudo_labels(rows: Sequence[tuple[str, str]], dev_share: float, seed: int) -> tuple[TextRows, TextRows]:
    """(text, sentiment)s -> a random split into training and dev rows; the labels are indices into `SENTIMENTS`."""
    order = np.random.default_rng(seed).permutation(len(rows))
    size = max(1, round(len(rows) * dev_share))
    if len(rows) - size < 1:
        raise InputError(f"{len(rows)} pseudo-labelled texts are too few to train on and to select by; label more.")
    parts = []
    for part in (order[size:], order[:size]):
        labels = np.array([SENTIMENTS.index(rows[i][1]) for i in part])
        parts.append(TextRows([rows[i][0] for i in part], labels, labels))
    return parts[0], parts[1]
