"""Stage I, speech, full size: a light head over a frozen front end ("softmax layer weights -> 256", MERITS-L).

    x = sum_l softmax(w)_l LN(h_l),   S1 = drop(ReLU(W [x; e])),   logits = V S1

h_l are the front end's time-mean-pooled layers, e its extra vector (CARE's pooled semantic 768), where it has one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from livemerc.model.frozen_speech import FrozenSpeech

DEFAULT_CONFIG: dict[str, Any] = {"embedding": 256, "dropout": 0.3, "extra": 0}


class SpeechHead(nn.Module):
    """Features of a frozen front end -> S1 and its Stage I logits.

    `config`: `layers` (L), `dimension` (D), `labels` (C); `embedding` (256 in the paper), `dropout`, and `extra` (E),
    the width of the row behind the layers. Raises ValueError on an unknown key.
    """

    def __init__(self, config: dict[str, Any]):
        super().__init__()
        unknown = sorted(set(config) - set(DEFAULT_CONFIG) - {"layers", "dimension", "labels"})
        if unknown:
            raise ValueError(f"unknown key in the speech head's configuration: {', '.join(unknown)}")
        self.config: dict[str, Any] = {**DEFAULT_CONFIG, **config}
        c = self.config
        self.layer_weight = nn.Parameter(torch.zeros(c["layers"]))  # softmax of zeros: all layers alike at first
        self.embed = nn.Linear(c["dimension"] + c["extra"], c["embedding"])
        self.dropout = nn.Dropout(c["dropout"])
        self.head = nn.Linear(c["embedding"], c["labels"])

    @property
    def dimension(self) -> int:
        """Width of S1."""
        return int(self.config["embedding"])

    def forward(self, features: Tensor) -> Tensor:
        """(B, L, D), or (B, L + 1, D) with `extra` -> S1 (B, embedding) float32."""
        layers, extra = self.config["layers"], self.config["extra"]
        x = features[:, :layers].float()
        # Layers differ in scale by orders of magnitude; without this the weights would first have to undo that.
        x = F.layer_norm(x, x.shape[-1:])
        x = (self.layer_weight.softmax(0)[None, :, None] * x).sum(1)
        if extra:
            x = torch.cat([x, features[:, layers, :extra].float()], -1)
        return self.dropout(F.relu(self.embed(x)))

    def classify(self, s1: Tensor) -> Tensor:
        """S1 (B, embedding) -> logits (B, C)."""
        return self.head(s1)


class FrozenSpeechBranch(nn.Module):
    """Front end and head as one module, with the interface of the compact `SpeechEncoder`."""

    def __init__(self, front: FrozenSpeech, head: SpeechHead):
        super().__init__()
        if (front.layers, front.dimension, front.extra) != tuple(
            head.config[k] for k in ("layers", "dimension", "extra")
        ):
            raise ValueError("the speech head was made for another front end")
        self.front = front
        self.head = head

    @property
    def dimension(self) -> int:
        """Width of S1."""
        return self.head.dimension

    def forward(self, samples: Tensor, lengths: Tensor) -> Tensor:
        """samples (B, T) float32 at 16 kHz, lengths (B,) in samples -> S1 (B, embedding)."""
        waves: list[np.ndarray] = [w[:n].cpu().numpy() for w, n in zip(samples, lengths.tolist(), strict=True)]
        return self.encoded(self.front.features(waves))

    def encoded(self, features: Tensor) -> Tensor:
        """Features of the front end (B, rows, D), wherever they were computed -> S1 (B, embedding)."""
        return self.head(features.to(self.head.layer_weight.device))

    def classify(self, s1: Tensor) -> Tensor:
        """S1 (B, embedding) -> logits (B, C)."""
        return self.head.classify(s1)
