"""What hears whether several speak: convolutions in time over the states of Whisper's encoder."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from livemerc.speakers.overlap import CLASSES

_KERNEL = 5
_DROPOUT = 0.1


class OverlapNetwork(nn.Module):
    """States (B, T, rows * dimension) -> logits (B, T, 3) of nobody, one and several.

    Each row is normalised by itself, for the later ones are many times as large; then `depth` residual convolutions,
    pre-norm, each twice as far apart as the one before. With four of them a frame sees .62 s to either side.
    """

    def __init__(self, rows: int, dimension: int, width: int, depth: int) -> None:
        super().__init__()
        self.rows, self.dimension = rows, dimension
        self.reduce = nn.Linear(rows * dimension, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth))
        self.convolutions = nn.ModuleList(
            nn.Conv1d(width, width, _KERNEL, dilation=2**i, padding=2**i * (_KERNEL // 2)) for i in range(depth)
        )
        self.classify = nn.Linear(width, CLASSES)
        self.dropout = nn.Dropout(_DROPOUT)

    def forward(self, states: Tensor) -> Tensor:
        rows = states.unflatten(-1, (self.rows, self.dimension))
        x = F.layer_norm(rows, (self.dimension,)).flatten(-2)
        x = F.gelu(self.reduce(self.dropout(x)))
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            x = x + F.gelu(convolution(self.dropout(norm(x)).transpose(1, 2)).transpose(1, 2))
        return self.classify(x)
