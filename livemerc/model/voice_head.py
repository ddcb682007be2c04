"""Stage I, speech: what a voice says, heard against how its speaker usually sounds.

    z = clip((v - mean) / deviation),   b = sum(earlier z) / (N + shrinkage),   logits = W x,  x = z - b
                                                                          or    logits = W2 relu(W1 x)

v are the statistics of `livemerc.model.whisper_encoder`, mean and deviation those of the training data: z = 0 is
everybody's usual voice, and so is the baseline of somebody who was never heard.
"""

from __future__ import annotations

import msgspec
import torch
from torch import Tensor, nn

from livemerc.model.whisper_encoder import Kind, Layout


class HeadConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`rows`, `kinds` and `peak`: the encoder's `Layout`. `dimension`: D of the encoder, `labels`: C. `hidden`: width
    of a layer between, 0 = none. `clip`: no z is further from 0. `shrinkage`: the baseline is drawn towards everybody's
    mean as if so many of their voices had been heard, too."""

    rows: tuple[int, ...]
    kinds: tuple[Kind, ...]
    peak: float | None = None
    dimension: int
    labels: int
    hidden: int = 0
    clip: float = 5.0
    shrinkage: float = 5.0

    @property
    def layout(self) -> Layout:
        """What the encoder is to give."""
        return Layout(self.rows, self.kinds, self.peak)

    @property
    def width(self) -> int:
        """S, how many statistics there are of an utterance."""
        return len(self.rows) * len(self.kinds) * self.dimension


class VoiceHead(nn.Module):
    """Statistics of a voice and its speaker's baseline -> logits of the labels. Small: the encoder is never trained.

    `config` holds the keys of `HeadConfig`. Raises ValueError for others and for values that they cannot have.
    """

    EXACT = ("mean", "deviation")
    """Stored in full precision: a channel may lie far from 0 and hardly move there."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: dict[str, object]) -> None:
        super().__init__()
        try:
            c = self.config = msgspec.convert(config, HeadConfig)
        except msgspec.ValidationError as error:
            raise ValueError(f"voice head: {error}") from error
        if not c.rows or not c.kinds or min(c.dimension, c.labels, c.clip, c.shrinkage) <= 0 or c.hidden < 0:
            raise ValueError("voice head: its configuration leaves nothing to judge")
        self.register_buffer("mean", torch.zeros(c.width))
        self.register_buffer("deviation", torch.ones(c.width))
        self.hidden = nn.Linear(c.width, c.hidden) if c.hidden else None
        self.output = nn.Linear(c.hidden or c.width, c.labels)

    def standardise(self, voices: Tensor) -> Tensor:
        """Statistics v (..., S) -> z (..., S), bounded: one strange sound moves no baseline for long."""
        return ((voices - self.mean) / self.deviation).clamp(-self.config.clip, self.config.clip)

    def baseline(self, earlier: Tensor) -> Tensor:
        """Earlier z (N, S) of a speaker, N >= 0, the oldest first -> b (S,), how that speaker usually sounds."""
        return earlier.sum(0) / (len(earlier) + self.config.shrinkage)

    def forward(self, z: Tensor, baselines: Tensor) -> Tensor:
        """z (B, S), b (B, S) -> logits (B, C)."""
        x = z - baselines
        return self.output(x if self.hidden is None else torch.relu(self.hidden(x)))
