"""How a voice would sound elsewhere: in two rooms and on a telephone.

The embedder hears the room and the line as well as the voice. A voice that is enrolled is therefore heard as it is and
as it would be elsewhere, and the mean of these embeddings is kept: docs/speakers.md says what that gains.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from livemerc.config import SAMPLE_RATE_HZ

_LINE_HZ = 280.0, 3500.0
_SEED = 20


@dataclass(frozen=True, slots=True)
class _Room:
    """`rt60_s`: in which sound decays by 60 dB; `direct_db`: the direct sound over what is reflected; `snr_db`: the
    voice over a noise whose power falls as 1 / f."""

    rt60_s: float
    direct_db: float
    snr_db: float


_ROOMS = _Room(0.3, 7.0, 25.0), _Room(0.5, 3.0, 20.0)


def everywhere(samples: np.ndarray) -> Iterator[np.ndarray]:
    """(n,) float32 at 16 kHz -> the samples as they are, in each room, and on a telephone, each (n,). The same samples
    give the same ones."""
    rng = np.random.default_rng(_SEED)
    yield samples
    for room in _ROOMS:
        yield _in(room, samples, rng)
    yield _on_the_line(samples)


def _in(room: _Room, samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    count = round(room.rt60_s * SAMPLE_RATE_HZ)
    response = rng.standard_normal(count) * 10 ** (-3.0 * np.arange(count) / count)
    response[: round(0.005 * SAMPLE_RATE_HZ)] = 0.0  # the first reflection comes later than the mouth
    response *= 10 ** (-room.direct_db / 20) / np.sqrt(np.square(response).sum())
    response[0] = 1.0
    size = 1 << (len(samples) + count - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)[: len(samples)]
    hertz = np.maximum(np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE_HZ), 20.0)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(len(samples))) / np.sqrt(hertz), len(samples))
    power = np.square(wet).mean() / (np.square(noise).mean() + 1e-12)
    return (wet + noise * np.sqrt(power * 10 ** (-room.snr_db / 10))).astype(np.float32)


def _on_the_line(samples: np.ndarray) -> np.ndarray:
    hertz = np.maximum(np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE_HZ), 1.0)
    low_hz, high_hz = _LINE_HZ
    gain = 1 / np.sqrt((1 + (low_hz / hertz) ** 12) * (1 + (hertz / high_hz) ** 12))
    return np.fft.irfft(np.fft.rfft(samples) * gain, len(samples)).astype(np.float32)
