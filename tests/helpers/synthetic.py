"""Signals that no file is needed for."""

from __future__ import annotations

import numpy as np

RATE_HZ = 16_000


def buzz(seconds: float, rate_hz: int = RATE_HZ, seed: int = 0, level: float = 0.15) -> np.ndarray:
    """(n,) float32: a voiced, syllable-modulated harmonic sound that both detectors take for speech."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    pitch_hz = 120 + 15 * np.sin(2 * np.pi * 2.3 * t + seed)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / rate_hz
    formants = ((500, 120), (1500, 200), (2500, 300))
    sound = np.zeros_like(t)
    for harmonic in range(1, 28):
        gain = sum(np.exp(-(((harmonic * 120 - centre) / width) ** 2)) for centre, width in formants) + 0.03
        sound += gain * np.sin(harmonic * phase)
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 4.0 * t + seed)
    noise = np.random.default_rng(seed).standard_normal(len(t)) * 0.002
    sound = level * sound * syllables / np.abs(sound).max() + noise
    return sound.astype(np.float32)


def hush(seconds: float, rate_hz: int = RATE_HZ, level: float = 1e-4) -> np.ndarray:
    """(n,) float32: a quiet room."""
    return (np.random.default_rng(1).standard_normal(round(seconds * rate_hz)) * level).astype(np.float32)


def pink(seconds: float, dbfs: float) -> np.ndarray:
    """(n,) float32 pink noise with an RMS of `dbfs`."""
    n = round(seconds * RATE_HZ)
    spectrum = np.fft.rfft(np.random.default_rng(2).standard_normal(n))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    noise = np.fft.irfft(spectrum, n)
    return (noise / noise.std() * 10 ** (dbfs / 20)).astype(np.float32)
