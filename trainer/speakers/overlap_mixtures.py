"""Short pieces of talk in which one speaks, or two or three, also at once: what the detector of overlaps learns from.

Who speaks when is known from each voice alone, before the room: a frame in which two sound is an overlap. Where one is
far softer than the other nobody could say, and nobody is asked.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from livemerc.config import SAMPLE_RATE_HZ
from livemerc.speakers.overlap import CLASSES, FRAMES_A_S
from trainer.augment import CODECS, add_noise, babble, band, change_speed, code, coloured_noise, reverberate

FRAME = SAMPLE_RATE_HZ // FRAMES_A_S
UNKNOWN = -1
"""The class of a frame that nobody is asked about."""
_LENGTH_S = 2.0, 10.0
_PEOPLE = 0.3, 0.5, 0.2
"""How often one, two and three speak in a piece."""
_LEVEL_DB = 4.0
_AT_ONCE, _TIGHT, _BETWEEN = 0.35, 0.25, 0.25
"""How often the next one begins before the last has ended, at about its end, and says something within it."""
_SOUNDS_DB = 27.0
"""A frame sounds if it is no softer than the voice's loud ones by more."""
_CLOSED_FRAMES = 8
"""A shorter pause within a voice is none."""
_FAR_DB = 15.0
_BABBLERS = 6

Voices = Mapping[str, Sequence[np.ndarray]]
"""By speaker: clips, (n,) at 16 kHz each, of about the same level."""


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """`samples`: (n,) float32 at 16 kHz; `speaking`: (n // 320,), how many speak in each frame, 2 = several."""

    samples: np.ndarray
    speaking: np.ndarray


def mixture(voices: Voices, weights: np.ndarray, rng: np.random.Generator) -> Mixture:
    """weights: how often each of `voices` is drawn; they sum to 1."""
    names = list(voices)
    length = round(float(rng.uniform(*_LENGTH_S)) * SAMPLE_RATE_HZ)
    people = 1 + int(rng.choice(len(_PEOPLE), p=_PEOPLE))
    who = [names[at] for at in rng.choice(len(names), people, replace=False, p=weights)]
    alone = _alone([_Speaker(voices[name], rng) for name in who], length, rng)
    samples = _heard(alone, [voices[names[int(at)]][0] for at in rng.integers(len(names), size=_BABBLERS)], rng)
    return Mixture(samples, _speaking(alone))


class _Speaker:
    """Somebody in a piece: as fast and as loud throughout."""

    def __init__(self, clips: Sequence[np.ndarray], rng: np.random.Generator) -> None:
        self._clips, self._rng = clips, rng
        self._speed = float(rng.uniform(0.88, 1.14)) if rng.random() < 0.6 else 1.0
        self._level = np.float32(10 ** (float(rng.normal(0.0, _LEVEL_DB)) / 20))

    def say(self, least_s: float, most_s: float) -> np.ndarray:
        """A clip, or a part of it."""
        clip = self._clips[int(self._rng.integers(len(self._clips)))].astype(np.float32)
        if self._speed != 1.0:
            clip = change_speed(clip, self._speed)
        most = round(float(self._rng.uniform(least_s, most_s)) * SAMPLE_RATE_HZ)
        if len(clip) > most:
            begin = int(self._rng.integers(len(clip) - most + 1))
            clip = clip[begin : begin + most].copy()
            fade = min(SAMPLE_RATE_HZ // 100, most // 2)
            clip[:fade] *= np.linspace(0, 1, fade, dtype=np.float32)
            clip[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
        return clip * self._level


def _alone(speakers: Sequence[_Speaker], length: int, rng: np.random.Generator) -> np.ndarray:
    """(people, length): each voice by itself."""
    tracks = np.zeros((len(speakers), length), np.float32)

    def put(who: int, at: int, said: np.ndarray) -> None:
        begin, end = max(0, at), min(length, at + len(said))
        if end > begin:
            tracks[who, begin:end] += said[begin - at : end - at]

    at, last, several = round(float(rng.uniform(-1.0, 0.5)) * SAMPLE_RATE_HZ), -1, len(speakers) > 1
    while at < length:
        who = int(rng.integers(len(speakers)))
        if several and who == last and rng.random() < 0.7:
            who = (who + 1) % len(speakers)
        said = speakers[who].say(0.4, 5.0)
        put(who, at, said)
        if several and rng.random() < _BETWEEN:
            other = (who + int(rng.integers(1, len(speakers)))) % len(speakers)
            aside = speakers[other].say(0.25, 1.5)
            begin = at + int(rng.uniform(0, max(1.0, len(said) - 0.5 * len(aside))))
            if not tracks[other, max(0, begin) : begin + len(aside)].any():
                put(other, begin, aside)
        drawn = float(rng.random())
        if drawn < _AT_ONCE and several:
            gap_s = float(rng.uniform(-1.2, -0.1))
        else:
            gap_s = float(rng.uniform(-0.1, 0.3) if drawn < _AT_ONCE + _TIGHT else rng.uniform(0.1, 1.0))
        at, last = max(at + SAMPLE_RATE_HZ // 5, at + len(said) + round(gap_s * SAMPLE_RATE_HZ)), who
    return tracks


def _speaking(alone: np.ndarray) -> np.ndarray:
    """(people, n), each voice by itself -> (n // 320,) how many are heard, or `UNKNOWN`."""
    frames = alone.shape[1] // FRAME
    power = np.square(alone[:, : frames * FRAME].reshape(len(alone), frames, FRAME)).mean(2)
    count = np.stack([_sounding(one) for one in power]).sum(0)
    found = np.minimum(count, CLASSES - 1).astype(np.int64)
    if len(alone) > 1:
        smooth = np.sort(np.stack([np.convolve(one, np.ones(11) / 11, "same") for one in power]), 0)
        found[(count > 1) & (smooth[-2] < smooth[-1] * 10 ** (-_FAR_DB / 10))] = UNKNOWN
    return found


def _sounding(power: np.ndarray) -> np.ndarray:
    """(T,) -> (T,) bool: where a voice sounds, with the shortest of its pauses."""
    there = power[power > 1e-10]
    if len(there) < 3:
        return np.zeros(len(power), bool)
    found = power > np.percentile(there, 90) * 10 ** (-_SOUNDS_DB / 10)
    loud = np.flatnonzero(found)
    for before, after in itertools.pairwise(loud):
        if after - before <= _CLOSED_FRAMES:
            found[before:after] = True
    return found


def _heard(alone: np.ndarray, babblers: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """(people, n) -> (n,): in one room, each at another place in it, with noise, over a line."""
    samples = np.zeros(alone.shape[1], np.float32)
    room, rt60_s = rng.random() < 0.7, float(rng.uniform(0.15, 0.9))
    for voice in alone:
        samples += reverberate(voice, rt60_s, float(rng.uniform(-4.0, 14.0)), rng) if room else voice
    if not samples.any():
        samples += np.float32(1e-5) * rng.standard_normal(len(samples), dtype=np.float32)
    if rng.random() < 0.85:
        coloured = rng.random() < 0.8
        noise = coloured_noise(len(samples), float(rng.uniform(0.0, 2.0)), rng) if coloured else None
        if noise is None:
            noise = babble(len(samples), [voice.astype(np.float32) for voice in babblers], rng)
        samples = add_noise(samples, noise, float(rng.uniform(5.0, 35.0)))
    line = rng.random()
    if line < 0.25:
        samples = band(samples, 300.0, 3400.0)
    elif line < 0.5:
        samples = band(samples, float(rng.uniform(20.0, 250.0)), float(rng.uniform(3000.0, 8000.0)))
    if rng.random() < 0.2:
        samples = code(samples, *CODECS[int(rng.integers(len(CODECS)))])
    peak = float(np.abs(samples).max()) + 1e-9
    return (samples * np.float32(10 ** rng.uniform(-1.5, 0.0) / peak)).astype(np.float32)
