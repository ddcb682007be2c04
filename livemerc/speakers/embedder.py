"""Samples in, what the voice sounds like out: a point, and how many seconds of voice it was made of.

    samples --pauses out, level--> mel --windows of 1.6 s, GE2E--> mean of length 1 --centre, scale--> x (256,)

Centre and scale are those of readers: around 0, and such that the variance of one speaker's utterances is 1 in each of
the directions in which embeddings really vary. Linear discriminants taught by 190 voices made it worse on readers and
hardly better on moods (trainer/LOG.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from livemerc.config import SAMPLE_RATE_HZ
from livemerc.errors import ModelError, cause_of
from livemerc.speakers.voiceprints import EmbedderId

WEIGHTS = Path(__file__).resolve().parent.parent / "weights" / "speakers"
ENCODER = "ge2e.safetensors"
STEP_FRAMES = 80
"""From one window to the next, 10 ms each."""
LEAST_S = 0.4
"""Less voice than this says nothing of whose it is."""
LONGEST_S = 12.0
"""More of one utterance makes it no surer."""
_FRAME = 480
_PAUSE_DB = 30.0
"""A frame of 30 ms this far below the loud ones, with its neighbours, is a pause."""
_NEIGHBOURS = 2


@dataclass(frozen=True, slots=True, eq=False)
class VoicePoint:
    """`x` (256,) float32; `voiced_s`: seconds of voice that it was made of. `strays`: the squared distance of the two
    least alike of its windows; None = there is but one."""

    x: np.ndarray
    voiced_s: float
    strays: float | None = None


def embedder_id(folder: Path = WEIGHTS) -> EmbedderId:
    """Which embedder there is; needs no torch. Raises `ModelError` where its weights are missing."""
    try:
        with (folder / ENCODER).open("rb") as file:
            return EmbedderId(name=Path(ENCODER).stem, sha256=hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as error:
        raise ModelError(
            f"{folder}: the weights that tell speakers apart cannot be read ({cause_of(error)}); install livemerc anew."
        ) from error


class SpeakerEmbedder:
    """`embed(samples)`; `id`: which embedder it is. Made of the weights that ship. Raises `ModelError` where they are
    missing or damaged."""

    def __init__(self, folder: Path = WEIGHTS) -> None:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        from livemerc.model.mel import MelPower
        from livemerc.speakers.network import MEL_BINS, Ge2eNetwork

        try:
            weights = {name: array.astype(np.float32) for name, array in load_file(folder / ENCODER).items()}
            self._centre, self._scale = weights.pop("centre"), float(weights.pop("scale"))
            self._network = Ge2eNetwork(folder, weights)
        except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
            raise ModelError(
                f"{folder}: the weights that tell speakers apart cannot be read ({cause_of(error)}); install livemerc "
                "anew, or leave --diarize out."
            ) from error
        self.id = embedder_id(folder)
        self._mel = MelPower(MEL_BINS, "constant")

    def embed(self, samples: np.ndarray) -> VoicePoint | None:
        """(n,) float32 at 16 kHz; None = too little voice."""
        voiced = without_pauses(samples)
        voiced_s = len(voiced) / SAMPLE_RATE_HZ
        if voiced_s < LEAST_S:
            return None
        heard = self._windows(voiced)
        strays = None
        if len(heard) > 1:
            strays = float(np.square(heard[:, None] - heard).sum(-1).max())
        return VoicePoint((_mean(heard) - self._centre) * np.float32(self._scale), voiced_s, strays)

    def encode(self, voiced: np.ndarray) -> np.ndarray:
        """(n,) of voice -> (256,), of length 1: what the network makes of it."""
        return _mean(self._windows(voiced))

    def course(self, samples: np.ndarray, window_s: float, step_s: float) -> Course:
        """Of (n,) samples, at least a window, pauses included."""
        from livemerc.model.mel import HOP_SAMPLES

        size, step = round(window_s * SAMPLE_RATE_HZ / HOP_SAMPLES), round(step_s * SAMPLE_RATE_HZ / HOP_SAMPLES)
        parts = np.lib.stride_tricks.sliding_window_view(self._powers(samples), size, axis=0)[::step].swapaxes(1, 2)
        return Course(self._network, parts)

    def _windows(self, voiced: np.ndarray) -> np.ndarray:
        return self._network(windows(self._powers(voiced[: round(LONGEST_S * SAMPLE_RATE_HZ)])))

    def _powers(self, samples: np.ndarray) -> np.ndarray:
        """(n,) -> mel powers (N, 40) at the network's level."""
        import torch

        from livemerc.speakers.network import levelled

        with torch.inference_mode():
            return self._mel(torch.from_numpy(levelled(samples))).numpy().T


class Course:
    """The voice in windows at even steps, which are heard when they are asked for."""

    def __init__(self, network: Callable[[np.ndarray], np.ndarray], parts: np.ndarray) -> None:
        self._network, self._parts = network, parts
        self._heard: dict[int, np.ndarray] = {}

    def every(self, step: int) -> np.ndarray:
        """(N, 256): of the first window, and of every `step`th from there on."""
        asked = range(0, len(self._parts), step)
        new = [at for at in asked if at not in self._heard]
        if new:
            self._heard |= zip(new, self._network(self._parts[new]), strict=True)
        return np.stack([self._heard[at] for at in asked])


def _mean(heard: np.ndarray) -> np.ndarray:
    """(N, D) -> (D,), of length 1."""
    mean = heard.mean(0)
    return mean / max(float(np.linalg.norm(mean)), 1e-8)


def windows(mel: np.ndarray) -> np.ndarray:
    """(N, 40) -> (windows, 160, 40). What is shorter is said again until it is long enough: of silence the network
    makes a voice of its own."""
    from livemerc.speakers.network import WINDOW_FRAMES

    count = len(mel)
    if count < WINDOW_FRAMES:
        return mel[np.arange(WINDOW_FRAMES) % count][None]
    starts = list(range(0, count - WINDOW_FRAMES + 1, STEP_FRAMES))
    if count - WINDOW_FRAMES - starts[-1] > STEP_FRAMES // 2:
        starts.append(count - WINDOW_FRAMES)
    return np.stack([mel[start : start + WINDOW_FRAMES] for start in starts])


def without_pauses(samples: np.ndarray) -> np.ndarray:
    """(n,) -> its frames in which something sounds, and their neighbours."""
    return samples[: len(samples) // _FRAME * _FRAME][np.repeat(sounding(samples), _FRAME)]


def sounding(samples: np.ndarray) -> np.ndarray:
    """(n,) -> (n // 480,) bool: of each frame of 30 ms, whether it is no pause. Silence has none that sounds."""
    count = len(samples) // _FRAME
    if count == 0:
        return np.zeros(0, bool)
    power = np.square(samples[: count * _FRAME], dtype=np.float64).reshape(count, _FRAME).mean(1)
    loud = float(np.percentile(power, 95))
    if loud <= 0:
        return np.zeros(count, bool)
    there = power > loud * 10 ** (-_PAUSE_DB / 10)
    return np.convolve(there, np.ones(2 * _NEIGHBOURS + 1), "same")[:count] > 0
