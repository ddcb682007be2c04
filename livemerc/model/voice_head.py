"""Stage I, speech: what a voice says, heard against how its speaker usually sounds.

    z = clip((v - mean) / deviation),   h = N / (N + shrinkage),   b = h median(earlier z)
    s = log(variance of the earlier z, mean over the figures),   x = [z - b; spread (h, s)]
    logits = W x   or   logits = W2 relu(W1 x)

v are the statistics of `livemerc.model.whisper_encoder`, mean and deviation those of the training data: z = 0 is
everybody's usual voice, and so is the baseline of somebody who was never heard. The median is that of each figure by
itself: while fewer than half of the utterances are shouted, they hardly move it. The head also sees how much of the
speaker was heard and how much that varied, because z - b is near 0 of somebody who was always neutral, and of the mean
of all that an actor plays.
"""

from __future__ import annotations

import msgspec
import torch
from torch import Tensor, nn

from livemerc.model.whisper_encoder import Kind, Layout

_LEAST_VARIANCE = 0.05
"""Added before the logarithm: of somebody who says the same again and again, too, it is finite."""


class HeadConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`rows`, `kinds`, `peak` and `part_s`: the encoder's `Layout`. `dimension`: D of the encoder, `labels`: C.
    `hidden`: width of a layer between, 0 = none. `clip`: no z is further from 0. `shrinkage`: the baseline is drawn
    towards everybody's mean as if so many of their voices had been heard, too. `spread`: scale of h and s among the
    head's inputs, 0 = it does not see them."""

    rows: tuple[int, ...]
    kinds: tuple[Kind, ...]
    peak: float | None = None
    part_s: float = 5.0
    dimension: int
    labels: int
    hidden: int = 0
    clip: float = 5.0
    shrinkage: float = 5.0
    spread: float = 0.0

    @property
    def layout(self) -> Layout:
        """What the encoder is to give."""
        return Layout(self.rows, self.kinds, self.peak, self.part_s)

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
        positive, not_negative = (c.dimension, c.labels, c.clip, c.shrinkage), (c.hidden, c.spread)
        if not c.rows or not c.kinds or min(positive) <= 0 or min(not_negative) < 0:
            raise ValueError("voice head: its configuration leaves nothing to judge")
        self.register_buffer("mean", torch.zeros(c.width))
        self.register_buffer("deviation", torch.ones(c.width))
        inputs = c.width + (2 if c.spread else 0)
        self.hidden = nn.Linear(inputs, c.hidden) if c.hidden else None
        self.output = nn.Linear(c.hidden or inputs, c.labels)

    def standardise(self, voices: Tensor) -> Tensor:
        """Statistics v (..., S) -> z (..., S), bounded: one strange sound moves no baseline for long."""
        return ((voices - self.mean) / self.deviation).clamp(-self.config.clip, self.config.clip)

    def baseline(self, earlier: Tensor) -> Tensor:
        """Earlier z (N, S) of a speaker, N >= 0, the oldest first -> b, h and s in one (S + 2,): how that speaker
        usually sounds. All 0 for N = 0, and s for N = 1."""
        count = len(earlier)
        if not count:
            return self.nobody(1)[0]
        ordered = earlier.sort(0).values
        median = (ordered[(count - 1) // 2] + ordered[count // 2]) / 2
        heard = earlier.new_tensor(count / (count + self.config.shrinkage))
        varied = (earlier.var(0).mean() + _LEAST_VARIANCE).log() if count > 1 else torch.zeros_like(heard)
        return torch.cat([median * heard, heard[None], varied[None]])

    def nobody(self, count: int) -> Tensor:
        """Baselines (count, S + 2) of speakers who were never heard."""
        return self.mean.new_zeros(count, self.config.width + 2)

    def forward(self, z: Tensor, baselines: Tensor | None) -> Tensor:
        """z (B, S), baselines (B, S + 2) of who speaks, None = of nobody known -> logits (B, C)."""
        usual, known = (self.nobody(len(z)) if baselines is None else baselines).split([self.config.width, 2], -1)
        x = z - usual
        if self.config.spread:
            x = torch.cat([x, self.config.spread * known], -1)
        return self.output(x if self.hidden is None else torch.relu(self.hidden(x)))
