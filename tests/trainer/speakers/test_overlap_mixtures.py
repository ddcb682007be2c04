"""Mixtures that teach where several speak at once: what is said to be there is there."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.speakers import overlap_mixtures
from trainer.speakers.overlap_mixtures import FRAME, UNKNOWN, Mixture, mixture

RATE_HZ = 16_000
HERTZ = {"low": 400.0, "mid": 900.0, "high": 2000.0}


def tone(hertz: float, seconds: float) -> np.ndarray:
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (0.07 * np.sin(2 * np.pi * hertz * t)).astype(np.float32)


VOICES = {name: [tone(hertz, 1.5)] * 3 for name, hertz in HERTZ.items()}
EVEN = np.full(len(VOICES), 1 / len(VOICES))


def drawn(seed: int) -> Mixture:
    return mixture(VOICES, EVEN, np.random.default_rng(seed))


@pytest.fixture
def as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """No room, no line, and everybody as fast: so that each voice is a tone of its own."""
    monkeypatch.setattr(overlap_mixtures, "_heard", lambda alone, babblers, rng: alone.sum(0))
    monkeypatch.setattr(overlap_mixtures, "change_speed", lambda samples, factor: samples)


@pytest.mark.usefixtures("as_they_are")
def test_as_many_speak_in_a_frame_as_voices_are_heard_in_it() -> None:
    right = asked = 0
    for seed in range(40):
        made = drawn(seed)
        for at in range(4, len(made.speaking) - 4, 5):
            if made.speaking[at] != UNKNOWN and len(set(made.speaking[at - 4 : at + 5])) == 1:
                around = made.samples[(at - 3) * FRAME : (at + 4) * FRAME]
                spectrum = np.abs(np.fft.rfft(around * np.hanning(len(around)))) / len(around)
                hertz = np.fft.rfftfreq(len(around), 1 / RATE_HZ)
                level = np.array([spectrum[np.abs(hertz - tone) < 60].max() for tone in HERTZ.values()])
                heard = int((level > max(2e-4, level.max() / 8)).sum())
                right += min(heard, 2) == made.speaking[at]
                asked += 1
    assert asked > 500
    assert right > 0.97 * asked


@pytest.mark.usefixtures("as_they_are")
def test_all_that_is_asked_for_occurs() -> None:
    speaking = np.concatenate([drawn(seed).speaking for seed in range(60)])
    share = {said: float((speaking == said).mean()) for said in (UNKNOWN, 0, 1, 2)}
    assert 0.02 < share[2] < 0.35
    assert share[0] > 0.05
    assert share[1] > 0.4
    assert share[UNKNOWN] < 0.05


def test_the_same_seed_is_the_same_mixture_and_all_are_finite_and_in_range() -> None:
    for seed in range(12):
        one, again = drawn(seed), drawn(seed)
        assert np.array_equal(one.samples, again.samples)
        assert np.array_equal(one.speaking, again.speaking)
        assert np.isfinite(one.samples).all()
        assert np.abs(one.samples).max() <= 1.0
        assert len(one.speaking) == len(one.samples) // FRAME
        assert 2.0 <= len(one.samples) / RATE_HZ <= 10.0
