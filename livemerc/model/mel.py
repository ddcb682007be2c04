"""Mel power: what Whisper's encoder and the speaker embedder hear, each in its own number of bands."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from livemerc.config import SAMPLE_RATE_HZ

FFT_SAMPLES = 400
HOP_SAMPLES = 160


class MelPower(nn.Module):
    """Power in `bins` bands on Slaney's scale, frames of 25 ms every 10 ms, the first around the first sample. `pad`:
    what stands before and behind the samples, as `torch.stft` names it."""

    mel: Tensor
    window: Tensor

    def __init__(self, bins: int, pad: Literal["reflect", "constant"] = "reflect") -> None:
        super().__init__()
        from torchaudio.functional import melscale_fbanks

        mel = melscale_fbanks(
            FFT_SAMPLES // 2 + 1, 0.0, SAMPLE_RATE_HZ / 2, bins, SAMPLE_RATE_HZ, norm="slaney", mel_scale="slaney"
        )
        self.pad = pad
        self.register_buffer("mel", mel.T.contiguous(), persistent=False)
        self.register_buffer("window", torch.hann_window(FFT_SAMPLES), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """(n,) -> (bins, n // 160 + 1)."""
        spectrum = torch.stft(
            samples, FFT_SAMPLES, HOP_SAMPLES, window=self.window, pad_mode=self.pad, return_complex=True
        )
        return self.mel @ (spectrum.real.square() + spectrum.imag.square())
