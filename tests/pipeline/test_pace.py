"""How fast the recogniser is: what its pace promises after whatever it has seen."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livemerc.pipeline.pace import Pace

AUDIO_S = st.floats(0.1, 30.0)
CALLS = st.lists(st.tuples(AUDIO_S, st.floats(0.0, 60.0)), max_size=40)
FIXED_S = st.floats(0.0, 2.0)
SLOPE = st.floats(0.005, 0.5)
WHISPERS = {"full window": (1.0, 0.03), "adaptive window": (0.12, 0.035), "tiny, adaptive": (0.04, 0.01)}


def after(calls: list[tuple[float, float]]) -> Pace:
    pace = Pace()
    for audio_s, took_s in calls:
        pace.learn(audio_s, took_s)
    return pace


def line(fixed_s: float, slope: float, lengths_s: list[float]) -> list[tuple[float, float]]:
    return [(audio_s, fixed_s + slope * audio_s) for audio_s in lengths_s]


@given(CALLS)
def test_more_audio_never_takes_less_and_none_takes_nothing(calls: list[tuple[float, float]]) -> None:
    pace = after(calls)
    expected = [pace.expected_s(audio_s) for audio_s in (0.0, 0.1, 0.5, 1.0, 3.0, 8.0, 12.0, 30.0)]
    assert expected == sorted(expected)
    assert expected[0] == 0.0
    assert all(map(math.isfinite, expected))


@given(CALLS, AUDIO_S, st.floats(0.001, 60.0))
def test_a_faster_call_counts_at_once_and_a_slower_one_at_most_half(
    calls: list[tuple[float, float]], audio_s: float, took_s: float
) -> None:
    pace = after(calls)
    before_s = pace.expected_s(audio_s)
    pace.learn(audio_s, took_s)
    if not calls or took_s <= before_s:
        assert pace.expected_s(audio_s) == pytest.approx(took_s)
    else:
        assert before_s * (1 - 1e-9) <= pace.expected_s(audio_s) <= (before_s + took_s) / 2 * (1 + 1e-9)


@given(FIXED_S, SLOPE, st.lists(AUDIO_S, min_size=12, max_size=40))
def test_calls_on_a_line_are_promised_well(fixed_s: float, slope: float, lengths_s: list[float]) -> None:
    """Where lengths spread as they do in talk, and whatever other ones came between."""
    lengths_s = [0.5, 8.0, 2.0, 12.0, *lengths_s, 1.0, 10.0, 3.0, 6.0]
    pace = after(line(fixed_s, slope, lengths_s))
    for length_s in (1.0, 5.0, 12.0):
        assert pace.expected_s(length_s) == pytest.approx(fixed_s + slope * length_s, rel=0.35)


@pytest.mark.parametrize("name", WHISPERS)
def test_a_whisper_s_two_parts_are_learnt_from_one_utterance_s_looks(name: str) -> None:
    fixed_s, slope = WHISPERS[name]
    pace = after(line(fixed_s, slope, [0.5 * i for i in range(1, 13)]))
    for audio_s in (0.5, 3.0, 12.0):
        assert pace.expected_s(audio_s) == pytest.approx(fixed_s + slope * audio_s, rel=0.15)


@pytest.mark.parametrize("name", WHISPERS)
@pytest.mark.parametrize("lengths_s", [[], [8.0] * 5, [3.0, 9.0, 5.0, 7.0]])
def test_a_short_utterance_promises_no_long_time_for_a_long_one(name: str, lengths_s: list[float]) -> None:
    fixed_s, slope = WHISPERS[name]
    pace = after(line(fixed_s, slope, [*lengths_s, 0.4]))
    assert pace.expected_s(8.0) <= 1.6 * (fixed_s + slope * 8.0)


@given(FIXED_S.filter(lambda s: s > 0.01), SLOPE, st.floats(1.0, 1000.0), st.integers(0, 10_000))
def test_a_single_slow_call_is_taken_for_an_accident(fixed_s: float, slope: float, times: float, seed: int) -> None:
    chance = random.Random(seed)
    pace = after(line(fixed_s, slope, [chance.uniform(0.5, 12.0) for _ in range(20)]))
    audio_s = chance.uniform(0.5, 12.0)
    before_s = pace.expected_s(audio_s)
    pace.learn(audio_s, times * before_s)
    assert pace.expected_s(audio_s) <= 1.5 * before_s * (1 + 1e-9)
    pace.learn(audio_s, before_s)
    assert pace.expected_s(audio_s) == pytest.approx(before_s)


@pytest.mark.parametrize("times", [3.0, 10.0, 100.0])
def test_a_machine_that_stays_slow_is_found_out_and_one_that_recovers_at_once(times: float) -> None:
    fixed_s, slope = WHISPERS["adaptive window"]
    lengths_s = [1.0, 4.0, 2.0, 8.0, 3.0, 6.0]
    pace = after(line(fixed_s, slope, lengths_s * 2) + line(times * fixed_s, times * slope, lengths_s))
    assert pace.expected_s(5.0) >= 0.7 * times * (fixed_s + slope * 5.0)
    pace.learn(5.0, fixed_s + slope * 5.0)
    assert pace.expected_s(5.0) == pytest.approx(fixed_s + slope * 5.0)


def test_it_begins_at_a_guess_that_has_no_weight() -> None:
    pace = Pace(0.1)
    assert pace.expected_s(4.0) == pytest.approx(0.4)
    pace.learn(2.0, 1.1)
    assert pace.expected_s(2.0) == pytest.approx(1.1)
    pace.learn(0.0, 5.0)  # nothing was heard: it tells nothing
    assert pace.expected_s(2.0) == pytest.approx(1.1)
