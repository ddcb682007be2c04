"""Where several speak at once, in one channel: it is marked, and nobody guesses who.

    samples --Whisper's first layers--> frames of 20 ms --convolutions--> nobody, one, several --lasting--> overlaps

Frame by frame classification after Bullock, Bredin and Garcia-Perera 2020, "Overlap-aware diarization", ICASSP, over
states of Whisper tiny.en's encoder instead of filters of its own. Taught on mixtures of voices in rooms and on lines
(`trainer.speakers.overlap_training`).
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from livemerc.config import SAMPLE_RATE_HZ
from livemerc.errors import ModelError, cause_of
from livemerc.model.checkpoint import VoiceEncoder
from livemerc.speakers.ge2e import WEIGHTS

if TYPE_CHECKING:
    from torch import nn

    from livemerc.model.whisper_encoder import WhisperEncoder

OVERLAP, SETTINGS = "overlap.safetensors", "overlap.json"
CLASSES = 3
"""Nobody, one, several."""
FRAMES_A_S = 50


class OverlapSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`rows`: of Whisper's encoder (`Layout`); `peak`, `part_s` as there. `width`, `depth`: of the network. An overlap
    begins and ends where the probability of several passes `low`, passes `high` somewhere, and lasts `least_s`."""

    rows: tuple[int, ...]
    peak: float
    part_s: float
    dimension: int
    width: int
    depth: int
    low: float
    high: float
    least_s: float


class OverlapDetector:
    """Of the weights that ship. Raises `ModelError` where they are missing or damaged.

    encoder: the voice's, whose states are taken where it has them, because they are computed anyway; else, and of
    another Whisper, this has an encoder of its own.
    """

    def __init__(self, encoder: WhisperEncoder | None = None, folder: Path = WEIGHTS) -> None:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            self.settings = msgspec.json.decode((folder / SETTINGS).read_bytes(), type=OverlapSettings)
            asked = self.settings
            fits = encoder is not None and encoder.has_states(asked.rows, asked.peak, asked.part_s)
            self._encoder = encoder if encoder is not None and fits else encoder_of(asked)
            self._network = network_of(self.settings)
            self._network.load_state_dict({name: t.float() for name, t in load_file(folder / OVERLAP).items()})
        except (OSError, SafetensorError, msgspec.MsgspecError, KeyError, ValueError, RuntimeError) as error:
            raise ModelError(
                f"{folder}: the weights that hear who speaks at once cannot be read ({cause_of(error)}); install "
                "livemerc anew, or leave --diarize out."
            ) from error
        self._network.eval()

    def probabilities(self, samples: np.ndarray) -> np.ndarray:
        """(n,) float32 at 16 kHz, n >= 1 -> (T, 3), a row each 20 ms: of nobody, one and several."""
        import torch

        with torch.inference_mode():
            states = self._encoder.states(samples, self.settings.rows)
            return self._network(states.float().cpu()[None])[0].softmax(-1).numpy()

    def overlaps(self, samples: np.ndarray) -> list[tuple[int, int]]:
        """(n,) float32 at 16 kHz -> from which sample to which several speak at once, in order."""
        if not len(samples):
            return []
        frame = SAMPLE_RATE_HZ // FRAMES_A_S
        found = lasting(self.probabilities(samples)[:, -1], self.settings)
        return [(begin * frame, min(end * frame, len(samples))) for begin, end in found]


def lasting(several: np.ndarray, settings: OverlapSettings) -> list[tuple[int, int]]:
    """(T,) probabilities -> from which frame to which several speak: by two thresholds, so that one that wavers is
    one, and no shorter than `least_s`."""
    found = []
    for above, frames in groupby(range(len(several)), lambda at: several[at] > settings.low):
        span = list(frames)
        begin, end = span[0], span[-1] + 1
        lasts = end - begin >= settings.least_s * FRAMES_A_S
        if above and lasts and several[begin:end].max() > settings.high:
            found.append((begin, end))
    return found


def encoder_of(settings: OverlapSettings) -> WhisperEncoder:
    """The layers that are needed of the Whisper that ships. Raises ValueError where its file is none, and OSError."""
    from livemerc.model.whisper_encoder import Layout, WhisperEncoder

    return WhisperEncoder(
        VoiceEncoder.shipped().path, Layout(settings.rows, peak=settings.peak, part_s=settings.part_s)
    )


def network_of(settings: OverlapSettings) -> nn.Module:
    """With random weights: states (B, T, rows * dimension) -> logits (B, T, 3)."""
    from livemerc.speakers.overlap_network import OverlapNetwork

    return OverlapNetwork(len(settings.rows), settings.dimension, settings.width, settings.depth)
