"""The speech branch of a checkpoint of format 2: the frozen encoder of the Whisper that ships, and a head over it.

    samples --encoder--> statistics v (S,) --head, with the baseline of who speaks--> logits (C,) = S1

What is cached of an utterance is v: who speaks may be known, or be found to be another, after it was encoded.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from livemerc.model.voice_head import VoiceHead
from livemerc.model.whisper_encoder import WhisperEncoder


class VoiceBranch(nn.Module):
    """Encoder and head. Raises ValueError for a head that was made for another encoder."""

    def __init__(self, encoder: WhisperEncoder, head: VoiceHead) -> None:
        super().__init__()
        if (encoder.layout, encoder.width) != (head.config.layout, head.config.width):
            raise ValueError("the voice head was made for another encoder")
        self.encoder = encoder
        self.head = head

    @property
    def dimension(self) -> int:
        """Width of S1."""
        return self.head.config.labels

    @torch.inference_mode()
    def statistics(self, voices: Sequence[np.ndarray]) -> Tensor:
        """Utterances, each (n,) float32 at 16 kHz, n >= 1 -> v (B, S) on the CPU."""
        return self.encoder.statistics(voices).cpu()

    @torch.inference_mode()
    def baseline_of(self, earlier: Tensor) -> Tensor:
        """Earlier v (N, S) of a speaker, N >= 0, the oldest first -> that speaker's baseline (S + 2,), on the CPU."""
        return self.head.baseline(self.head.standardise(self._there(earlier))).cpu()

    @torch.inference_mode()
    def s1(self, voices: Tensor, baselines: Tensor | None) -> Tensor:
        """v (B, S) and baselines (B, S + 2) of who speaks, None = of nobody known -> S1 (B, C), on the CPU."""
        there = None if baselines is None else self._there(baselines)
        return self.head(self.head.standardise(self._there(voices)), there).cpu()

    def _there(self, rows: Tensor) -> Tensor:
        return rows.to(self.head.mean.device)
