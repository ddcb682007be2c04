"""GE2E, the embedder that ships: levelled voice in windows of 1.6 s, heard as mel powers.

Its weights are Resemblyzer's, taught a little more to hear the voice and not the room
(`trainer.speakers.embedder_tuning`). The centre is that of readers; the scale is such that the variance of one
speaker's utterances is 1 in each of the directions in which embeddings really vary.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from livemerc.config import SAMPLE_RATE_HZ
from livemerc.errors import ModelError, cause_of
from livemerc.speakers.embedder import LONGEST_S, Course, SpeakerEmbedder, sliding, windows
from livemerc.speakers.scale import Limits
from livemerc.speakers.voiceprints import EmbedderId

WEIGHTS = Path(__file__).resolve().parent.parent / "weights" / "speakers"
ENCODER = "ge2e.safetensors"
STEP_FRAMES = 80
"""From one window to the next, 10 ms each."""
LIMITS = Limits(between=0.83, dimensions=30.3, strays=0.5, part_cost=1.6, coarse_cost=0.5)
"""Those that were tuned on conversations with the published weights (.8, 30, .45, 1.5, .45; trainer/LOG.md), carried
over to these by tools/make_speaker_encoder.py (.53, 1.76 and .535 for the last three), and a little lower: so that 2 s
of one reader between two turns of another are found."""


def embedder_id(folder: Path = WEIGHTS) -> EmbedderId:
    """Which embedder there is; needs no torch. Raises `ModelError` where its weights are missing."""
    try:
        with (folder / ENCODER).open("rb") as file:
            return EmbedderId(name=Path(ENCODER).stem, sha256=hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as error:
        raise ModelError(
            f"{folder}: the weights that tell speakers apart cannot be read ({cause_of(error)}); install livemerc anew."
        ) from error


class Ge2eEmbedder(SpeakerEmbedder):
    """Of the weights that ship. Raises `ModelError` where they are missing or damaged."""

    def __init__(self, folder: Path = WEIGHTS) -> None:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        from livemerc.model.mel import MelPower
        from livemerc.speakers.network import MEL_BINS, WIDTH, Ge2eNetwork

        try:
            weights = {name: array.astype(np.float32) for name, array in load_file(folder / ENCODER).items()}
            self.centre, self.scale = weights.pop("centre"), float(weights.pop("scale"))
            self._network = Ge2eNetwork(folder, weights)
        except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
            raise ModelError(
                f"{folder}: the weights that tell speakers apart cannot be read ({cause_of(error)}); install livemerc "
                "anew, or leave --diarize out."
            ) from error
        self.id = embedder_id(folder)
        self.width = WIDTH
        self.limits = LIMITS
        self._mel = MelPower(MEL_BINS, "constant")

    def course(self, samples: np.ndarray, window_s: float, step_s: float) -> Course:
        """Of (n,) samples, at least a window, pauses included."""
        from livemerc.model.mel import HOP_SAMPLES

        size, step = round(window_s * SAMPLE_RATE_HZ / HOP_SAMPLES), round(step_s * SAMPLE_RATE_HZ / HOP_SAMPLES)
        return Course(self._network, sliding(self._powers(samples), size, step))

    def windows_of(self, voiced: np.ndarray) -> np.ndarray:
        """As `SpeakerEmbedder.windows_of`."""
        from livemerc.speakers.network import WINDOW_FRAMES

        powers = self._powers(voiced[: round(LONGEST_S * SAMPLE_RATE_HZ)])
        return self._network(windows(powers, WINDOW_FRAMES, STEP_FRAMES))

    def _powers(self, samples: np.ndarray) -> np.ndarray:
        """(n,) -> mel powers (N, 40) at the network's level."""
        import torch

        from livemerc.speakers.network import levelled

        with torch.inference_mode():
            return self._mel(torch.from_numpy(levelled(samples))).numpy().T
