"""Samples in, what the voice sounds like out: a point, and how many seconds of voice it was made of.

    samples --pauses out--> windows --network--> their mean, of length 1 --centre, scale--> x (D,)

What any embedder has in common: `livemerc.speakers.ge2e` is the one that ships, `livemerc.speakers.wespeaker` what can
be fetched, and `livemerc.speakers.choose` takes the one that is asked for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from livemerc.config import SAMPLE_RATE_HZ
from livemerc.speakers.scale import Limits
from livemerc.speakers.voiceprints import EmbedderId

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
    """`x` (D,) float32; `voiced_s`: seconds of voice that it was made of. `strays`: the squared distance of the two
    least alike of its windows; None = there is but one."""

    x: np.ndarray
    voiced_s: float
    strays: float | None = None


class SpeakerEmbedder(ABC):
    """`id`: which one it is; `width`: D, numbers in a point; `limits`: those that depend on how its points lie, which
    `centre` (D,) and `scale` move."""

    id: EmbedderId
    width: int
    limits: Limits
    centre: np.ndarray
    scale: float

    def embed(self, samples: np.ndarray) -> VoicePoint | None:
        """(n,) float32 at 16 kHz; None = too little voice."""
        voiced = without_pauses(samples)
        voiced_s = len(voiced) / SAMPLE_RATE_HZ
        if voiced_s < LEAST_S:
            return None
        heard = self.windows_of(voiced)
        strays = float(np.square(heard[:, None] - heard).sum(-1).max()) if len(heard) > 1 else None
        return VoicePoint((_mean(heard) - self.centre) * np.float32(self.scale), voiced_s, strays)

    def encode(self, voiced: np.ndarray) -> np.ndarray:
        """(n,) of voice, 25 ms or more -> (D,), of length 1: what the network makes of it."""
        return _mean(self.windows_of(voiced))

    @abstractmethod
    def windows_of(self, voiced: np.ndarray) -> np.ndarray:
        """(n,) of voice, of which the first `LONGEST_S` count -> (windows, D), each of length 1."""

    @abstractmethod
    def course(self, samples: np.ndarray, window_s: float, step_s: float) -> Course:
        """Of (n,) samples, at least a window, pauses included."""


class Course:
    """The voice in windows at even steps, which are heard when they are asked for."""

    def __init__(self, network: Callable[[np.ndarray], np.ndarray], parts: np.ndarray) -> None:
        self._network, self._parts = network, parts
        self._heard: dict[int, np.ndarray] = {}

    def every(self, step: int) -> np.ndarray:
        """(N, D): of the first window, and of every `step`th from there on."""
        asked = range(0, len(self._parts), step)
        new = [at for at in asked if at not in self._heard]
        if new:
            self._heard |= zip(new, self._network(self._parts[new]), strict=True)
        return np.stack([self._heard[at] for at in asked])


def _mean(heard: np.ndarray) -> np.ndarray:
    """(N, D) -> (D,), of length 1."""
    mean = heard.mean(0)
    return mean / max(float(np.linalg.norm(mean)), 1e-8)


def windows(frames: np.ndarray, size: int, step: int) -> np.ndarray:
    """(N, F) -> (windows, size, F). What is shorter is said again until it is long enough: of silence a network makes a
    voice of its own."""
    count = len(frames)
    if count < size:
        return frames[np.arange(size) % count][None]
    starts = list(range(0, count - size + 1, step))
    if count - size - starts[-1] > step // 2:
        starts.append(count - size)
    return np.stack([frames[start : start + size] for start in starts])


def sliding(frames: np.ndarray, size: int, step: int) -> np.ndarray:
    """(N, F) -> (windows, size, F), without a copy: those of a `Course`."""
    return np.lib.stride_tricks.sliding_window_view(frames, size, axis=0)[::step].swapaxes(1, 2)


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
