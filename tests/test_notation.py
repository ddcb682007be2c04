"""Times and probabilities as people write and read them."""

from __future__ import annotations

import pytest

from livemerc.notation import clock, fraction, seconds, words


@pytest.mark.parametrize(
    ("text", "expected"), [("12:30", 750.0), ("1:02:03.5", 3723.5), ("75", 75.0), ("0:07", 7.0), ("90:00", 5400.0)]
)
def test_times_are_written_as_people_do(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "-1", "1:60", "12:30:", "nan", "1e5", "1:2:3:4", "٣", "9" * 30])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a time"):
        seconds(text)


@pytest.mark.parametrize("time_s", [0.0, 7.0, 61.5, 3723.4, 36_000.0])
def test_a_time_that_was_written_is_read_again(time_s: float) -> None:
    assert seconds(clock(time_s, tenths=True)) == pytest.approx(time_s, abs=0.1)


@pytest.mark.parametrize(("probability", "text"), [(0.816, ".82"), (0.0, ".00"), (0.999, "1.0"), (1.0, "1.0")])
def test_a_probability_has_two_digits(probability: float, text: str) -> None:
    assert fraction(probability) == text


def test_words_are_counted_without_case_and_punctuation() -> None:
    assert words("Don’t — STOP, 3 times!") == ["don't", "stop", "3", "times"]
