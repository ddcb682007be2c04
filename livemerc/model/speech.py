"""The compact speech encoder: samples -> log-mel -> a small residual network -> S1, one embedding per utterance.

Live monitor and trainer share this file, so what is trained is what runs. It takes the place of CARE in MERITS-L's
Stage I (Dutta & Ganapathy 2025, arXiv 2501.11468): `forward` gives S1, `classify` is the Stage I head over it.
An output depends on nothing but the utterance: frames beyond its length are zeroed after every layer and left out of
every mean, so padding and batch mates change nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from livemerc.emotions import LABELS

SAMPLE_RATE_HZ = 16_000

DEFAULT_CONFIG: dict[str, Any] = {
    "mel_bins": 64,
    "window_samples": 512,  # 32 ms: two periods of a low male voice
    "hop_samples": 160,  # 10 ms
    "fft_samples": 1024,  # interpolated spectrum: no low mel bin is left empty
    "low_hz": 60.0,
    "high_hz": 7600.0,
    "dynamic_range_db": 60.0,  # further below the utterance's peak is silence: a floor free of gain
    "stem_channels": [16, 32],
    "channels": 112,
    "dilations": [1, 2, 3, 4],
    "attention_channels": 48,
    "embedding": 128,
    "dropout": 0.3,
    "labels": list(LABELS),
}
"""Every knob of the encoder; a checkpoint carries its own copy, so that it rebuilds its own network."""

_NEPER_PER_DB = math.log(10.0) / 10.0  # natural logarithm of a power ratio of 1 dB


class LogMel(nn.Module):
    """Log-mel power, and its normalisation against gain and channel. No trained parameters.

    `forward`: samples (B, T) float32 at 16 kHz in [-1, 1], lengths (B,) in samples -> log-mel (B, N, M) in nepers of
    power, and the number of frames (B,). An utterance shorter than one window gives one frame.
    """

    window: Tensor
    mel: Tensor

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        from torchaudio.functional import melscale_fbanks

        self.window_samples = int(config["window_samples"])
        self.hop_samples = int(config["hop_samples"])
        self.fft_samples = int(config["fft_samples"])
        self.range_neper = float(config["dynamic_range_db"]) * _NEPER_PER_DB
        mel = melscale_fbanks(
            n_freqs=self.fft_samples // 2 + 1,
            f_min=float(config["low_hz"]),
            f_max=float(config["high_hz"]),
            n_mels=int(config["mel_bins"]),
            sample_rate=SAMPLE_RATE_HZ,
            norm=None,
            mel_scale="htk",
        )
        self.register_buffer("mel", mel, persistent=False)
        self.register_buffer("window", torch.hann_window(self.window_samples), persistent=False)

    def frames(self, lengths: Tensor) -> Tensor:
        """Frames of utterances of `lengths` samples: whole windows only, at least one."""
        return (lengths - self.window_samples).clamp(min=0) // self.hop_samples + 1

    def forward(self, samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        frames = self.frames(lengths)
        inside = torch.arange(samples.shape[1], device=samples.device)[None, :] < lengths[:, None]
        samples = torch.where(inside, samples, samples.new_zeros(()))
        needed = (int(frames.max()) - 1) * self.hop_samples + self.window_samples
        if needed > samples.shape[1]:
            samples = F.pad(samples, (0, needed - samples.shape[1]))
        windows = samples[:, :needed].unfold(1, self.window_samples, self.hop_samples)  # (B, N, window)
        spectrum = torch.fft.rfft(windows * self.window, n=self.fft_samples)
        power = spectrum.real.square() + spectrum.imag.square()
        return torch.log(power @ self.mel + 1e-8), frames  # 1e-8: below the rounding noise of 16 bits

    def normalise(self, log_mel: Tensor, frames: Tensor) -> Tensor:
        """(B, N, M) raw log-mel -> (B, 2, N, M): the spectral course with and without the average spectrum.

        Both views are free of gain (levels are relative to the utterance's own peak and mean). The first also takes
        each bin's mean away, and with it microphone and room; the second keeps the spectral tilt, which tells
        pressed from breathy voice. Means are weighted towards voiced-level frames: the silence that an endpointer
        leaves around an utterance must not move them.
        """
        mask = frame_mask(frames, log_mel.shape[1])  # (B, N)
        mask3 = mask[:, :, None]
        peak = log_mel.masked_fill(~mask3, -math.inf).amax(dim=(1, 2), keepdim=True)
        log_mel = torch.maximum(log_mel, peak - self.range_neper)
        level = log_mel.exp().mean(dim=2).log()  # (B, N) level of each frame
        loudest = level.masked_fill(~mask, -math.inf).amax(dim=1, keepdim=True)
        weight = torch.sigmoid((level - loudest + 30.0 * _NEPER_PER_DB) / (3.0 * _NEPER_PER_DB)) * mask
        weight = weight / weight.sum(dim=1, keepdim=True)
        bin_mean = (log_mel * weight[:, :, None]).sum(dim=1, keepdim=True)  # (B, 1, M)
        overall_mean = bin_mean.mean(dim=2, keepdim=True)
        views = torch.stack((log_mel - bin_mean, log_mel - overall_mean), dim=1)
        return views * (mask3[:, None] / 3.0)  # 3 nepers = 13 dB: about one standard deviation of speech


class ResidualBlock(nn.Module):
    """Dilated convolution, then squeeze and excitation over the utterance, added to the input."""

    def __init__(self, channels: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.spread = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False)
        self.spread_norm = nn.BatchNorm1d(channels)
        self.mix = nn.Conv1d(channels, channels, 1, bias=False)
        self.mix_norm = nn.BatchNorm1d(channels)
        self.squeeze = nn.Linear(channels, channels // 4)
        self.excite = nn.Linear(channels // 4, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, C, N), mask (B, 1, N) as 0 / 1 -> (B, C, N), zero beyond each utterance."""
        y = F.relu(self.spread_norm(self.spread(x))) * mask
        y = self.mix_norm(self.mix(y)) * mask
        mean = y.sum(dim=2) / mask.sum(dim=2)
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(mean))))
        return F.relu(x + self.dropout(y * gate[:, :, None])) * mask


class AttentivePooling(nn.Module):
    """Attentive statistics pooling (Okabe et al. 2018): weighted mean and deviation over the frames of an utterance."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.hidden = nn.Conv1d(channels, hidden, 1)
        self.score = nn.Conv1d(hidden, channels, 1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, C, N), mask (B, 1, N) as 0 / 1 -> (B, 2 C)."""
        x = x.float()
        score = self.score(torch.tanh(self.hidden(x))).float().masked_fill(mask == 0, -math.inf)
        weight = torch.softmax(score, dim=2)
        mean = (weight * x).sum(dim=2)
        variance = (weight * (x - mean[:, :, None]).square()).sum(dim=2)
        return torch.cat((mean, (variance + 1e-5).sqrt()), dim=1)


class SpeechEncoder(nn.Module):
    """Stage I of the speech branch: utterance samples -> S1 (B, 128), and its head over the seven classes.

    `config` holds keys of `DEFAULT_CONFIG`; what it leaves out has the default. Raises ValueError on an unknown key.
    """

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        given = dict(config or {})
        unknown = sorted(set(given) - set(DEFAULT_CONFIG))
        if unknown:
            raise ValueError(f"unknown key in the speech encoder's configuration: {', '.join(unknown)}")
        self.config: dict[str, Any] = {**DEFAULT_CONFIG, **given}
        c = self.config
        first, second = c["stem_channels"]
        channels, dropout = int(c["channels"]), float(c["dropout"])
        self.front = LogMel(c)
        # Two dimensions first: a raised pitch moves a pattern along the frequency axis, it does not make a new one.
        self.stem1 = nn.Conv2d(2, first, 5, stride=2, padding=2, bias=False)
        self.stem1_norm = nn.BatchNorm2d(first)
        self.stem2 = nn.Conv2d(first, second, 3, stride=2, padding=1, bias=False)
        self.stem2_norm = nn.BatchNorm2d(second)
        bins = -(-int(c["mel_bins"]) // 4)
        self.project = nn.Conv1d(second * bins, channels, 1, bias=False)
        self.project_norm = nn.BatchNorm1d(channels)
        self.blocks = nn.ModuleList(ResidualBlock(channels, int(d), dropout / 2) for d in c["dilations"])
        self.pool = AttentivePooling(channels, int(c["attention_channels"]))
        self.embed = nn.Linear(2 * channels, int(c["embedding"]))
        self.embed_norm = nn.LayerNorm(int(c["embedding"]))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(int(c["embedding"]), len(c["labels"]))

    @property
    def dimension(self) -> int:
        """Width D of S1."""
        return int(self.config["embedding"])

    def forward(self, samples: Tensor, lengths: Tensor) -> Tensor:
        """samples (B, T) float32, 16 kHz, [-1, 1]; lengths (B,) in samples, 1..T -> S1 (B, D) float32."""
        log_mel, frames = self.front(samples, lengths)
        return self.encode_log_mel(log_mel, frames)

    def encode_log_mel(self, log_mel: Tensor, frames: Tensor) -> Tensor:
        """Raw log-mel (B, N, M) of `front`, frames (B,) -> S1 (B, D): the trainer starts here, from its cache."""
        return self.encode_views(self.front.normalise(log_mel, frames), frames)

    def encode_views(self, x: Tensor, frames: Tensor) -> Tensor:
        """Normalised views (B, 2, N, M) of `front.normalise` -> S1 (B, D): where SpecAugment steps in."""
        frames = (frames + 1) // 2
        x = F.relu(self.stem1_norm(self.stem1(x)))
        x = x * frame_mask(frames, x.shape[2])[:, None, :, None]
        frames = (frames + 1) // 2
        x = F.relu(self.stem2_norm(self.stem2(x)))  # (B, C2, N/4, M/4)
        mask = frame_mask(frames, x.shape[2])[:, None, :].to(x.dtype)  # (B, 1, N/4)
        x = x * mask[..., None]
        x = x.permute(0, 1, 3, 2).flatten(1, 2)  # (B, C2 * M/4, N/4)
        x = F.relu(self.project_norm(self.project(x))) * mask
        for block in self.blocks:
            x = block(x, mask)
        return self.embed_norm(self.embed(self.pool(x, mask)).float())

    def classify(self, s1: Tensor) -> Tensor:
        """S1 (B, D) -> logits (B, 7) in the order of `emotions.LABELS`."""
        return self.head(self.dropout(s1))


def frame_mask(frames: Tensor, total: int) -> Tensor:
    """frames (B,) -> (B, total) bool, True inside the utterance."""
    return torch.arange(total, device=frames.device)[None, :] < frames[:, None]
