"""An embedder of WeSpeaker's shape with drawn weights, measured by nobody: its scale is made up by the test."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
from helpers.onnx_file import speaker_network

from livemerc.speakers.ge2e import LIMITS
from livemerc.speakers.scale import EmbedderScale, beside, digest_of


def scale(network: Path, width: int, **changes: object) -> EmbedderScale:
    """Of which `changes` are other."""
    made = EmbedderScale(
        sha256=digest_of(network), centre=[0.0] * width, scale=12.0, limits=LIMITS, voices=8, clips=64, corpus="a test",
        measured_at="2026-01-02T03:04:05+00:00", version="0.1.0",
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def measured_network(folder: Path, width: int = 64) -> Path:
    """With its scale beside it."""
    network = speaker_network(folder / "drawn.onnx", width)
    beside(network).write_bytes(msgspec.json.encode(scale(network, width)))
    return network


def voice(number: int, seconds: float, seed: int = 0) -> np.ndarray:
    """(n,) float32 at 16 kHz: syllables of a pulse at a pitch, in formants of its own. No person, but as much apart
    from others as a spectrum can be."""
    rng = np.random.default_rng([number, seed])
    own = np.random.default_rng(number)
    count = round(seconds * 16_000)
    at = np.arange(count) / 16_000
    pitch_hz = 90.0 + 25.0 * number + 4.0 * np.sin(2 * np.pi * (2.0 + rng.random()) * at)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / 16_000
    formants_hz = np.sort(own.uniform(300.0, 4000.0, 4))
    found = np.zeros(count)
    for harmonic in range(1, 30):
        hertz = harmonic * (90.0 + 25.0 * number)
        gain = sum(1.0 / (1.0 + ((hertz - formant) / 120.0) ** 2) for formant in formants_hz)
        found += (gain + 0.01) * np.sin(harmonic * phase)
    syllables = 0.35 + 0.65 * np.square(np.sin(np.pi * (3.0 + rng.random()) * at + rng.random()))
    found = found * syllables + 0.01 * rng.standard_normal(count)
    return (0.1 * found / np.abs(found).max()).astype(np.float32)
