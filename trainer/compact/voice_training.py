"""Trains one head over voice statistics, and averages several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from livemerc.emotions import LABELS
from livemerc.errors import ConfigError
from livemerc.model.voice_head import VoiceHead
from trainer.compact.config import VoiceStage
from trainer.compact.voice_batches import Drawing, VoiceBatch, Voices, draw_weights
from trainer.compact.voice_features import VoiceFeatures
from trainer.loop.fit import fit
from trainer.loop.stage import LAST_EPOCH, LoopOptions, Phase, Stage, adamw, warm_up_then_down

_LEAST_DEVIATION = 1e-3
"""A figure that is constant in training says nothing, and must not be divided by 0."""


def standardised_head(train: VoiceFeatures, config: VoiceStage, seed: int) -> VoiceHead:
    """An untrained head whose standardisation is that of `train`, clean, with corpora and classes alike."""
    torch.manual_seed(seed)
    size = train.statistics[0].shape[1] // (len(config.rows) * len(config.kinds))
    head = VoiceHead(
        {
            "rows": config.rows, "kinds": config.kinds, "peak": config.peak, "part_s": config.part_s, "dimension": size,
            "labels": len(LABELS), "hidden": config.hidden, "clip": config.bound, "shrinkage": config.shrinkage,
            "spread": config.spread,
        }
    )  # fmt: skip
    weight = draw_weights(train.clips, config)
    mean = np.zeros(train.statistics[0].shape[1])
    square = np.zeros_like(mean)
    for start in range(0, len(train), 512):  # in double precision all at once would be four times all the rest
        part = train.statistics[0][start : start + 512].astype(np.float64)
        mean += weight[start : start + 512] @ part
        square += weight[start : start + 512] @ part**2
    deviation = np.sqrt(np.maximum(square - mean**2, 0.0))
    with torch.no_grad():
        head.mean.copy_(torch.from_numpy(mean))
        head.deviation.copy_(torch.from_numpy(np.maximum(deviation, _LEAST_DEVIATION)))
    return head


class VoiceLoss(nn.Module):
    """Cross-entropy with label smoothing, and the squared weights. `mask_absent` leaves classes that a clip's corpus
    lacks out of it."""

    def __init__(self, head: VoiceHead, drawing: Drawing, config: VoiceStage):
        super().__init__()
        self.head, self.config = head, config
        present = torch.zeros(len(drawing.groups), len(LABELS), dtype=torch.bool)
        for group, label in zip(drawing.group, drawing.voices.label, strict=True):
            present[group, label] = True
        # A corpus of one class keeps all: with the others masked its loss would be 0.
        present[present.sum(1) == 1] = True
        self.present = present if config.mask_absent else torch.ones_like(present)

    def forward(self, batch: VoiceBatch) -> Tensor:
        loss = self.cross_entropy(self.head(batch.z, batch.baseline), batch)
        return loss.mean() + self.config.l2 * self._squares()

    def cross_entropy(self, logits: Tensor, batch: VoiceBatch) -> Tensor:
        """Of each draw (B,)."""
        smoothing, there = self.config.label_smoothing, self.present[batch.group]
        log_p = logits.masked_fill(~there, -torch.inf).log_softmax(1)
        own = -log_p.gather(1, batch.label[:, None])[:, 0]
        smooth = -log_p.masked_fill(~there, 0.0).sum(1) / there.sum(1)
        return (1.0 - smoothing) * own + smoothing * smooth

    def _squares(self) -> Tensor:
        return torch.stack([p.square().sum() for p in self.head.parameters() if p.ndim > 1]).sum()


def train_head(
    train: VoiceFeatures,
    config: VoiceStage,
    seed: int,
    out: Path,
    evaluate: Callable[[VoiceHead], dict[str, float]] = lambda _: {},
) -> VoiceHead:
    """A head trained on `train`; the weights of the last epoch are returned. Files and errors as of `fit`.

    `evaluate`: figures that are logged after each epoch; nothing is selected by them.
    """
    head = standardised_head(train, config, seed)
    drawing = Drawing(Voices(train, head), head, config)
    module = VoiceLoss(head, drawing, config)
    steps = drawing.steps
    total = config.epochs * steps
    rate = partial(warm_up_then_down, warm=max(1, int(total * config.warm_up)), total=total)

    def figures() -> dict[str, float]:
        head.eval()
        return evaluate(head)

    stage: Stage[VoiceBatch] = Stage(
        name="voice", module=module, loss=module, evaluate=figures, select=LAST_EPOCH, seed=seed, clip=config.clip,
        phases=[Phase(config.epochs, drawing.batches, adamw(config.lr, 0.0, rate, fused=True), steps)],
    )  # fmt: skip
    fit(stage, out, LoopOptions(begun_with=begun_with(config, seed, train)))
    return head.eval()


def begun_with(config: VoiceStage, seed: int, train: VoiceFeatures) -> dict[str, Any]:
    """What a run must share with the one that it goes on from; how many heads there are touches none of them."""
    settings = msgspec.to_builtins(config) | {"seed": seed, "clips": len(train)}
    return {k: v for k, v in settings.items() if k not in ("heads", "corpora")} | {
        "trained_on": sorted({c.corpus for c in train.clips})
    }


def calibrated(head: VoiceHead, temperature: float) -> VoiceHead:
    """The head whose logits are `temperature` times smaller."""
    same = VoiceHead(msgspec.to_builtins(head.config))
    same.load_state_dict(head.state_dict())
    with torch.no_grad():
        for parameter in same.output.parameters():
            parameter.div_(temperature)
    return same.eval()


def averaged(heads: Sequence[VoiceHead]) -> VoiceHead:
    """One head that gives the mean of the heads' logits, which a mean of weights does for linear ones only.

    Raises `ConfigError` for several heads that are not linear.
    """
    first = heads[0]
    if len(heads) == 1:
        return first
    if first.hidden is not None:
        raise ConfigError("[voice] heads: only linear heads average into one; set heads to 1, or hidden to 0.")
    mean = VoiceHead(msgspec.to_builtins(first.config))
    states = [head.state_dict() for head in heads]
    mean.load_state_dict({key: torch.stack([s[key] for s in states]).mean(0) for key in states[0]})
    return mean.eval()
