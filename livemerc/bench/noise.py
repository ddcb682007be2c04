"""Noises for `livemerc bench vad`, made from nothing but a seed: (n,) float32 at 16 kHz with an RMS of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from livemerc.config import SAMPLE_RATE_HZ

_RATE = SAMPLE_RATE_HZ
BABBLE_VOICES = 6


def coloured(count: int, rng: np.random.Generator, exponent: float) -> np.ndarray:
    """Noise whose power falls with frequency ** `exponent`: 0 white, 1 pink, 2 brown; nothing below 20 Hz."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    hz = np.fft.rfftfreq(count, 1 / _RATE)
    spectrum *= np.where(hz < 20, 0.0, np.maximum(hz, 20.0) ** (-exponent / 2))
    return np.fft.irfft(spectrum, count)


def room(count: int, rng: np.random.Generator) -> np.ndarray:
    """A quiet room and a preamplifier: pink and white noise."""
    return _unit(_unit(coloured(count, rng, 1.0)) + 0.3 * rng.standard_normal(count))


def fan(count: int, rng: np.random.Generator) -> np.ndarray:
    """A fan: air between pink and brown, mains hum, and the tone of its blades, all waxing and waning a little."""
    t = np.arange(count) / _RATE
    hum = np.sum([np.sin(2 * np.pi * 50 * k * t + k) / k for k in range(1, 7)], axis=0)
    drift = 1 + 0.004 * np.sin(2 * np.pi * 0.11 * t)
    phase = 2 * np.pi * np.cumsum(183.0 * drift) / _RATE
    blades = np.sum([np.sin(k * phase) / k for k in range(1, 6)], axis=0)
    swell = 1 + 0.15 * np.sin(2 * np.pi * 0.27 * t) + 0.05 * np.sin(2 * np.pi * 3.1 * t)
    return _unit(swell * (_unit(coloured(count, rng, 1.5)) + 0.25 * _unit(hum) + 0.35 * _unit(blades)))


def keyboard(count: int, rng: np.random.Generator) -> np.ndarray:
    """Typing: bursts of 3 to 14 strokes, 70 to 250 ms apart; each a click of key down and a softer one of key up."""
    out = 0.01 * room(count, rng)
    at = 0.3
    while at < count / _RATE:
        for _ in range(rng.integers(3, 15)):
            level = rng.uniform(0.5, 1.0)
            _add(out, at, level * _click(rng))
            _add(out, at + rng.uniform(0.05, 0.11), 0.4 * level * _click(rng))
            at += rng.uniform(0.07, 0.25)
        at += rng.uniform(0.3, 2.5)
    return _unit(out)


def music(count: int, rng: np.random.Generator) -> np.ndarray:
    """A pop backing at 112 beats a minute: plucked chords (I vi IV V), bass, kick, snare and hi-hat."""
    out = np.zeros(count)
    beat_s = 60 / 112
    roots_hz = (130.81, 110.0, 87.31, 98.0)
    for i in range(int(count / _RATE / (beat_s / 2)) + 1):
        at, bar = i * beat_s / 2, (i // 8) % 4
        root_hz = roots_hz[bar]
        third = 2 ** ((3 if bar == 1 else 4) / 12)
        if i % 4 == 0:
            for ratio in (1.0, third, 2 ** (7 / 12), 2.0):
                _add(out, at, 0.25 * _pluck(2 * root_hz * ratio, 2 * beat_s, 1.2))
        if i % 2 == 0:
            _add(out, at, 0.5 * _pluck(root_hz / 2, beat_s, 3.0))
        melody = 4 * root_hz * (1.0, third, 2 ** (7 / 12), 2.0)[int(rng.integers(4))]
        if rng.random() < 0.7:
            _add(out, at, 0.2 * _pluck(melody, beat_s, 2.5))
        _add(out, at, 0.08 * _burst(rng, 0.04, 60.0))
        if i % 4 == 0:
            _add(out, at, 0.9 * _kick())
        elif i % 4 == 2:
            _add(out, at, 0.4 * _burst(rng, 0.18, 18.0))
    return _unit(out)


def babble(count: int, rng: np.random.Generator, voices: Sequence[np.ndarray]) -> np.ndarray:
    """Several people at once: `BABBLE_VOICES` streams of the clips in `voices`, each in an order of its own."""
    out = np.zeros(count)
    for _ in range(BABBLE_VOICES):
        at = -int(rng.integers(0, 3 * _RATE))
        while at < count:
            clip = _unit(voices[int(rng.integers(len(voices)))].astype(np.float64))
            begin, end = max(0, at), min(count, at + len(clip))
            if end > begin:
                out[begin:end] += clip[begin - at : end - at]
            at += len(clip) + int(rng.integers(0, _RATE // 2))
    return _unit(out)


NOISES: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "room": room, "fan": fan, "keyboard": keyboard, "music": music,
}  # fmt: skip


def _click(rng: np.random.Generator) -> np.ndarray:
    """30 ms: a bright knock and the thud of the case."""
    t = np.arange(round(0.03 * _RATE)) / _RATE
    knock = rng.standard_normal(len(t)) * np.exp(-t / 0.0025)
    thud = np.sin(2 * np.pi * rng.uniform(180, 320) * t) * np.exp(-t / 0.008)
    return knock + 0.6 * thud


def _pluck(hz: float, seconds: float, decay_per_s: float) -> np.ndarray:
    t = np.arange(round(seconds * _RATE)) / _RATE
    partials = [np.sin(2 * np.pi * hz * k * t) / k**1.5 for k in range(1, 9) if hz * k < _RATE / 2]
    return np.sum(partials, axis=0) * np.exp(-decay_per_s * t) * np.minimum(1.0, t / 0.004)


def _kick() -> np.ndarray:
    t = np.arange(round(0.15 * _RATE)) / _RATE
    return np.sin(2 * np.pi * np.cumsum(45 + 75 * np.exp(-t / 0.03)) / _RATE) * np.exp(-t / 0.05)


def _burst(rng: np.random.Generator, seconds: float, decay_per_s: float) -> np.ndarray:
    t = np.arange(round(seconds * _RATE)) / _RATE
    return np.diff(rng.standard_normal(len(t) + 1)) * np.exp(-decay_per_s * t)


def _add(out: np.ndarray, at_s: float, sound: np.ndarray) -> None:
    begin = round(at_s * _RATE)
    end = min(len(out), begin + len(sound))
    if end > begin:
        out[begin:end] += sound[: end - begin]


def _unit(samples: np.ndarray) -> np.ndarray:
    rms = float(np.sqrt(np.mean(np.square(samples))))
    return samples / rms if rms > 0 else samples
