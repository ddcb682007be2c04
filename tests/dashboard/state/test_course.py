"""Columns of the course merge and lose nothing; the curve is the mean valence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livemerc.dashboard.state.course import Course
from livemerc.emotions import LABELS


@given(st.lists(st.tuples(st.floats(0, 5000), st.floats(0.1, 20), st.sampled_from(LABELS)), max_size=40))
def test_columns_merge_without_losing_a_second_and_take_back_what_they_got(
    said: list[tuple[float, float, str]],
) -> None:
    course = Course(max_columns=16)
    for start_s, length_s, label in said:
        course.add(start_s, start_s + length_s, label)
    assert len(course.columns) <= 17
    for label in LABELS:
        expected = sum(length_s for _, length_s, name in said if name == label)
        assert sum(c.get(label, 0.0) for c in course.columns) == pytest.approx(expected, abs=1e-6)
        columns, _ = course.strip(7, 0.0)
        assert len(columns) <= 7
        assert sum(c.get(label, 0.0) for c in columns) == pytest.approx(expected, abs=1e-6)
    for start_s, length_s, label in said:
        course.add(start_s, start_s + length_s, label, -1)
    assert sum(course.totals_s.values()) == pytest.approx(0.0, abs=1e-6)


def test_the_curve_is_the_mean_valence_of_the_voiced_time_and_unknown_in_silence() -> None:
    course = Course(column_s=1.0)
    course.add(0.0, 1.0, "joy", valence=0.8)
    course.add(1.0, 1.5, "anger", valence=-0.6)
    course.add(1.5, 2.0, "joy", valence=0.4)
    course.add(3.0, 4.0, "not sure", valence=None)
    assert course.curve(1.0, 6) == [pytest.approx(0.8), pytest.approx(-0.1), None, None, None, None]
    assert course.curve(2.0, 3) == [pytest.approx(0.35), None, None]
    course.add(0.0, 1.0, "joy", -1, valence=0.8)
    assert course.curve(1.0, 2) == [None, pytest.approx(-0.1)]


@given(st.lists(st.tuples(st.floats(0, 900), st.floats(0.1, 20), st.sampled_from(LABELS)), max_size=30), st.data())
def test_what_was_merged_for_the_screen_before_is_merged_again_where_it_changed(
    said: list[tuple[float, float, str]], data: st.DataObject
) -> None:
    course, fresh = Course(max_columns=64), Course(max_columns=64)
    for start_s, length_s, label in said:
        for one in (course, fresh):
            one.add(start_s, start_s + length_s, label)
        width = data.draw(st.sampled_from([5, 11]))
        fresh._merged_by, fresh._changed = (0, []), 0
        assert course.strip(width, 0.0) == fresh.strip(width, 0.0)
