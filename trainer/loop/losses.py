"""Losses of the stages: cross entropy by lag, and the options that are off by default. Padding and unknown are -1."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from livemerc.errors import InputError
from trainer.corpora.corpus import SENTIMENTS
from trainer.loop.windows import WindowBatch

LAG_WEIGHT = (1.0, 0.6, 0.6)
"""Weight of the loss at lag 0, 1, 2: what the monitor shows. Lag 0 is the trained condition, R = 2 the revised one."""
BACK_WEIGHT = 0.15
"""Weight further back in the window: those labels are frozen live, but keep the networks good on whole dialogues."""


def window_loss(
    logits: Tensor,
    batch: WindowBatch,
    where: Tensor | None = None,
    weights: Tensor | None = None,
    smoothing: float = 0.0,
    soft_share: float = 0.0,
) -> Tensor:
    """Cross entropy over the window, weighted by lag. logits (B, N, C); `where` (B, N) bool: only these positions;
    `weights` (C,) class weights; `smoothing` of the labels; `soft_share` of the batch's soft labels in the loss, where
    it has some (Hinton et al. 2015, at temperature 1)."""
    weight = torch.full(batch.labels.shape, BACK_WEIGHT, device=logits.device)
    for lag, value in enumerate(LAG_WEIGHT):
        weight = torch.where(batch.lag == lag, value, weight)
    # -1 is padding or an utterance without a label: neither a class nor a target
    weight = torch.where(batch.labels < 0, 0.0, weight)
    if where is not None:
        weight = torch.where(where, weight, 0.0)
    target = batch.labels.clamp(min=0)
    if weights is not None:
        weight = weight * weights[target]
    loss = nn.functional.cross_entropy(
        logits.float().flatten(0, 1), target.flatten(), reduction="none", label_smoothing=smoothing
    )
    if soft_share and batch.soft is not None:
        soft = -(batch.soft * logits.float().log_softmax(-1)).sum(-1).flatten()
        loss = torch.lerp(loss, soft, soft_share)
    return (loss * weight.flatten()).sum() / weight.sum().clamp(min=1e-6)


def cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None = None, smoothing: float = 0.0) -> Tensor:
    """Mean cross entropy over the rows whose label is not -1; 0 where there is none. logits (N, C), labels (N,)."""
    known = labels >= 0
    if not known.any():
        return logits.float().sum() * 0.0
    target = labels[known]
    loss = nn.functional.cross_entropy(logits[known].float(), target, reduction="none", label_smoothing=smoothing)
    weight = torch.ones_like(loss) if weights is None else weights[target]
    return (loss * weight).sum() / weight.sum()


def supervised_contrastive(embeddings: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Supervised contrastive loss (Khosla et al. 2020, Eq. 2; the term of HCAM). embeddings (N, D), labels (N,).

    Pulls utterances of one class together and others apart. Rows labelled -1 are neither anchor, nor positive, nor
    negative: padding is not a class of its own. An anchor without another of its class has no term.
    """
    known = labels >= 0
    z = nn.functional.normalize(embeddings[known].float(), dim=-1)
    labels = labels[known]
    itself = torch.eye(len(labels), dtype=torch.bool, device=z.device)
    positive = (labels[:, None] == labels[None]) & ~itself
    anchors = positive.any(1)
    if not anchors.any():
        return embeddings.float().sum() * 0.0
    similarity = (z @ z.T / temperature).masked_fill(itself, -torch.inf)
    log_share = similarity - similarity.logsumexp(1, keepdim=True)
    per_anchor = log_share.masked_fill(~positive, 0.0).sum(1) / positive.sum(1).clamp(min=1)
    return -per_anchor[anchors].mean()


def text_speech_contrastive(text: Tensor, speech: Tensor, temperature: float) -> Tensor:
    """Contrastive loss between the modalities (DeepMSI-MER, arXiv 2502.08573; InfoNCE both ways as in CLIP, Radford et
    al. 2021): an utterance's words and voice lie nearer to each other than to those of the other utterances.

    text, speech (N, D): rows of the same utterances, both there. 0 for fewer than two.
    """
    if len(text) < 2:
        return (text.float().sum() + speech.float().sum()) * 0.0
    t, s = (nn.functional.normalize(x.float(), dim=-1) for x in (text, speech))
    similarity = t @ s.T / temperature
    same = torch.arange(len(t), device=t.device)
    return (nn.functional.cross_entropy(similarity, same) + nn.functional.cross_entropy(similarity.T, same)) / 2


def balanced_class_weights(labels: np.ndarray, classes: int) -> Tensor:
    """(C,) float32: inverse share of each class, mean 1 over the labelled rows. A class that never occurs has 0."""
    counts = np.bincount(labels[labels >= 0], minlength=classes).astype(np.float64)
    present = counts > 0
    if not present.any():
        raise InputError("no labelled utterance to weigh the classes by; check the corpus' emotion column.")
    weights = np.zeros(classes)
    weights[present] = counts.sum() / (present.sum() * counts[present])
    return torch.from_numpy(weights).float()


class ExtraTerms(nn.Module):
    """The terms over a stage's states that are off by default: supervised contrastive, and a joint sentiment head.

    Trained with the stage and left behind at its end: no checkpoint holds it.
    """

    def __init__(self, width: int, contrastive: float, temperature: float, sentiment: float):
        super().__init__()
        self.contrastive = contrastive
        self.temperature = temperature
        self.sentiment = sentiment
        self.sentiment_head = nn.Linear(width, len(SENTIMENTS)) if sentiment else None

    def forward(self, states: Tensor, labels: Tensor, sentiments: Tensor) -> Tensor:
        """States (N, D), labels (N,), sentiments (N,), both -1 where unknown -> the weighted sum, a scalar."""
        total = states.new_zeros(())
        if self.contrastive:
            total = total + self.contrastive * supervised_contrastive(states, labels, self.temperature)
        if self.sentiment_head is not None:
            total = total + self.sentiment * cross_entropy(self.sentiment_head(states), sentiments)
        return total
