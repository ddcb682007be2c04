from __future__ import annotations

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from livemerc.audio.resample import Resampler

RATES_HZ = [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000]


def in_pieces(samples: np.ndarray, rate_hz: int, cuts: list[int]) -> np.ndarray:
    resampler = Resampler(rate_hz)
    pieces = [resampler.feed(piece) for piece in np.split(samples, sorted(cuts))]
    return np.concatenate([*pieces, resampler.flush()])


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_pieces_give_the_very_samples_of_the_whole(data):
    rate_hz = data.draw(st.sampled_from(RATES_HZ))
    samples = np.random.default_rng(0).uniform(-0.9, 0.9, rate_hz // 2 + 17).astype(np.float32)
    cuts = data.draw(st.lists(st.integers(0, len(samples)), max_size=12))
    assert np.array_equal(in_pieces(samples, rate_hz, cuts), in_pieces(samples, rate_hz, []))


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_the_stream_is_soxr_on_the_whole_signal_without_delay(rate_hz):
    t = np.arange(rate_hz * 2) / rate_hz
    samples = (0.5 * np.sin(2 * np.pi * 300 * t)).astype(np.float32)
    ours = in_pieces(samples, rate_hz, list(range(100, len(samples), 997)))
    assert abs(len(ours) - 32_000) <= 1
    assert np.abs(ours[:31_990] - soxr.resample(samples, rate_hz, 16_000)[:31_990]).max() < 1e-4


def test_after_flush_a_fresh_signal_starts():
    samples = np.random.default_rng(1).uniform(-0.9, 0.9, 44_100).astype(np.float32)
    resampler = Resampler(44_100)
    first = np.concatenate([resampler.feed(samples), resampler.flush()])
    again = np.concatenate([resampler.feed(samples), resampler.flush()])
    assert np.array_equal(first, again)
