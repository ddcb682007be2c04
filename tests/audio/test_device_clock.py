"""The session clock against a simulated device whose crystal is off, for an hour of its time."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.synthetic import RATE_HZ, buzz, hush
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from livemerc.audio.ears import Ears
from livemerc.audio.items import Utterance
from livemerc.audio.microphone import device_clock
from livemerc.audio.microphone.device_clock import ConverterClock, SessionClock
from livemerc.audio.source import Block
from livemerc.config import load_config

BLOCK_S = 0.1


def drive(ppm: float, seconds: float, jitter_s: float, late_s: float, seed: int, adc: bool) -> np.ndarray:
    """Errors in s, one a block: what the session clock says of a block's start less when it really began.

    ppm: the crystal is so much too slow. jitter_s: of the latency that the driver reports, as it comes. late_s: how
    late Python may be, mostly far less. adc: whether the driver knows when the converter took the first sample.
    """
    random = np.random.default_rng(seed)
    converter, session = ConverterClock(), SessionClock()
    true_block_s = BLOCK_S * (1 + ppm * 1e-6)
    count = round(seconds / true_block_s)
    latency_s = 0.05 + jitter_s * random.random(count)
    called_late_s = late_s * random.random(count) ** 8
    errors = np.empty(count)
    for i in range(count):
        began_s = i * true_block_s
        called_s = began_s + true_block_s + latency_s[i]
        now_s = called_s + called_late_s[i]
        current_s = called_s + 77.0 if adc else 0.0
        said_s = began_s + 77.0 + jitter_s * (random.random() - 0.5) if adc else 0.0
        measured = converter.measure(BLOCK_S, now_s, current_s, said_s)
        errors[i] = session.place(BLOCK_S, measured.began_s, measured.called_s).start_s - began_s
    return errors


@settings(max_examples=8, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    ppm=st.floats(-200, 200),
    jitter_s=st.floats(0, 0.02),
    late_s=st.floats(0, 0.15),
    seed=st.integers(0, 1000),
)
def test_a_crystal_200_ppm_off_is_followed_for_an_hour(ppm, jitter_s, late_s, seed):
    errors = drive(ppm, 3600.0, jitter_s, late_s, seed, adc=True)
    steady = errors[300:]  # after half a minute
    assert abs(steady - steady.mean()).max() < 0.01
    assert abs(errors).max() < 0.03 + late_s  # as long as nobody knows how late the first call was


@pytest.mark.parametrize("ppm", [-200.0, 200.0])
def test_without_the_converters_word_the_time_of_the_calls_is_followed(ppm):
    errors = drive(ppm, 3600.0, 0.01, 0.1, 0, adc=False)
    steady = errors[300:]
    assert abs(steady - steady.mean()).max() < 0.02


def test_uncorrected_the_same_hour_is_most_of_a_second_off(monkeypatch):
    monkeypatch.setattr(device_clock, "_SLEW", 0.0)
    monkeypatch.setattr(device_clock, "JITTER_S", 10.0)
    assert drive(200.0, 3600.0, 0.01, 0.1, 0, adc=True)[-1] == pytest.approx(-0.72, abs=0.02)


@pytest.mark.parametrize("ppm", [-3000.0, 3000.0])
def test_the_ears_follow_the_clock_and_an_utterance_is_where_it_was_said(ppm):
    """Four minutes at 3,000 ppm drift as far as an hour at 200."""
    ears = Ears(load_config(environ={}, overrides={"vad.engine": "webrtc"}), RATE_HZ)
    samples = np.concatenate([np.concatenate((hush(28.0), buzz(2.0, seed=i))) for i in range(8)])
    slow = 1 + ppm * 1e-6
    items = []
    for begin in range(0, len(samples), 320):
        items += ears.feed(Block(samples[begin : begin + 320], begin / RATE_HZ * slow))
    items += ears.flush()
    utterances = [item for item in items if isinstance(item, Utterance)]
    begins_s = [(28.0 + 30.0 * i) * slow for i in range(8)]
    assert [u.start_s for u in utterances] == pytest.approx(begins_s, abs=0.05)
    offsets = np.array([u.start_s - begin_s for u, begin_s in zip(utterances, begins_s, strict=True)])
    assert np.ptp(offsets) < 0.025  # a frame: no trend
    assert ears.t_s == pytest.approx(240 * slow, abs=0.005)


def test_times_never_run_back():
    errors = drive(-5000.0, 60.0, 0.02, 0.1, 3, adc=True)
    starts = errors + np.arange(len(errors)) * BLOCK_S * (1 - 5000e-6)
    assert (np.diff(starts) > 0).all()
