"""Conversations made of clips: who speaks when is what is heard."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.speakers.conversations import GAP_S, TURN_S, conversation, spoken

RATE_HZ = 16_000


def tone(hertz: float, seconds: float) -> np.ndarray:
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return np.sin(2 * np.pi * hertz * t).astype(np.float32)


VOICES = {name: [[tone(hertz, 3.0)] * 4] for name, hertz in (("low", 300.0), ("mid", 900.0), ("high", 2700.0))}


def test_turns_are_where_they_are_said_to_be() -> None:
    made = conversation("three", VOICES, 12, lambda x, rng: x, np.random.default_rng(3))
    assert made.speakers == 3
    assert len(made.turns) == 12
    for before, turn in zip(made.turns, made.turns[1:], strict=False):
        assert turn.speaker != before.speaker
        assert GAP_S[0] - 0.01 <= turn.start_s - before.end_s <= GAP_S[1] + 0.01
    pitch = {"low": 300.0, "mid": 900.0, "high": 2700.0}
    for turn in made.turns:
        assert turn.end_s - turn.start_s <= TURN_S[1]
        middle = made.samples[round((turn.start_s + 0.4) * RATE_HZ) : round((turn.start_s + 0.9) * RATE_HZ)]
        loudest = np.argmax(np.abs(np.fft.rfft(middle))) * RATE_HZ / len(middle)
        assert loudest == pytest.approx(pitch[turn.speaker], rel=0.05)


def test_the_same_seed_is_the_same_conversation() -> None:
    one, again, other = (
        conversation("x", VOICES, 5, lambda x, rng: x, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert one.turns == again.turns
    assert np.array_equal(one.samples, again.samples)
    assert one.turns != other.turns


def test_silence_at_the_edges_of_a_clip_is_no_speech() -> None:
    silence = np.zeros(RATE_HZ, np.float32)
    assert len(spoken(np.concatenate((silence, tone(300.0, 1.0), silence)))) == pytest.approx(RATE_HZ, abs=400)
