"""Augmentation keeps length and alignment, stays finite, and does what its name says."""

from __future__ import annotations

import numpy as np
import pytest

from trainer import augment

RATE_HZ = 16_000


@pytest.fixture
def voice() -> np.ndarray:
    t = np.arange(int(1.37 * RATE_HZ)) / RATE_HZ
    buzz = sum(np.sin(2 * np.pi * 170 * k * t + k) / k for k in range(1, 20))
    return (0.1 * buzz * (1 + np.sin(2 * np.pi * 2.3 * t))).astype(np.float32)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def similarity(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])


@pytest.mark.parametrize("codec", augment.CODECS, ids=lambda c: f"{c[1]}-{c[3]}")
def test_codec_round_trip_is_lossy_but_aligned(voice: np.ndarray, codec: tuple[str, str, int, int]) -> None:
    coded = augment.code(voice, *codec)
    assert coded.shape == voice.shape
    assert 0.85 < similarity(coded, voice) < 1.0


def test_noise_comes_at_the_stated_level(voice: np.ndarray, rng: np.random.Generator) -> None:
    for slope in (0.0, 1.0, 2.0):
        noisy = augment.add_noise(voice, augment.coloured_noise(len(voice), slope, rng), 10.0)
        snr_db = 10 * np.log10(np.mean(voice**2) / np.mean((noisy - voice) ** 2))
        assert snr_db == pytest.approx(10.0, abs=0.1)


def test_pink_noise_falls_with_frequency_and_white_does_not(rng: np.random.Generator) -> None:
    for slope, ratio in ((0.0, 1.0), (1.0, 8.0)):
        power = np.abs(np.fft.rfft(augment.coloured_noise(RATE_HZ * 4, slope, rng))) ** 2
        low, high = power[4 * 400 : 4 * 600].mean(), power[4 * 3200 : 4 * 4800].mean()
        assert low / high == pytest.approx(ratio, rel=0.2)


def test_babble_has_unit_power_and_the_length_asked_for(voice: np.ndarray, rng: np.random.Generator) -> None:
    noise = augment.babble(50_001, [voice, voice[::-1]], rng)
    assert noise.shape == (50_001,)
    assert np.mean(noise**2) == pytest.approx(1.0, rel=0.01)


def test_reverberation_keeps_length_and_leaves_a_tail(rng: np.random.Generator) -> None:
    click = np.zeros(RATE_HZ, np.float32)
    click[1000] = 1.0
    wet = augment.reverberate(click, 0.4, 3.0, rng)
    assert wet.shape == click.shape
    assert np.abs(wet[:1000]).max() < 1e-4
    early, late = np.mean(wet[1100:2100] ** 2), np.mean(wet[6000:7000] ** 2)
    assert early > 100 * late > 0


def test_telephone_band_removes_what_a_telephone_removes(rng: np.random.Generator) -> None:
    power = np.abs(np.fft.rfft(augment.band(augment.coloured_noise(RATE_HZ, 0.0, rng), 300.0, 3400.0))) ** 2
    assert power[:150].mean() < 0.01 * power[500:3000].mean()
    assert power[5000:].mean() < 0.01 * power[500:3000].mean()


def test_speed_changes_length_by_the_factor(voice: np.ndarray) -> None:
    assert len(augment.change_speed(voice, 1.1)) == pytest.approx(len(voice) / 1.1, abs=2)


def test_random_conditions_are_finite_bounded_and_repeatable(voice: np.ndarray) -> None:
    lengths = set()
    for seed in range(40):
        changed = augment.augment(voice, [voice], np.random.default_rng(seed))
        assert changed.dtype == np.float32
        assert np.isfinite(changed).all()
        assert 0.01 < np.abs(changed).max() <= 1.0
        assert np.array_equal(changed, augment.augment(voice, [voice], np.random.default_rng(seed)))
        lengths.add(len(changed))
    assert len(lengths) > 10


def test_silence_and_a_very_short_clip_survive(rng: np.random.Generator) -> None:
    for samples in (np.zeros(8_000, np.float32), np.full(400, 0.1, np.float32)):
        for _ in range(20):
            assert np.isfinite(augment.augment(samples, [np.ones(100, np.float32)], rng)).all()
