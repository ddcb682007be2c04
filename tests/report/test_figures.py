"""Figures: few marks however long the session, no extreme lost, and nothing told by colour alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.sessions import write_session
from hypothesis import given, settings
from hypothesis import strategies as st
from report import scenes

from livemerc.emotions import EMOTIONS
from livemerc.report.colours import (
    DARK_GROUND,
    LIGHT_GROUND,
    MARK_CONTRAST,
    TEXT_CONTRAST,
    colour_class,
    contrast,
    legible,
    sign,
)
from livemerc.report.columns import columns, runs
from livemerc.report.facts import NOT_SURE, Facts, Line, facts
from livemerc.report.figures import course, fitted, lanes_of
from livemerc.sessions.session import read_session


def line(number: int, start_s: float, length_s: float, joy: float) -> Line:
    spread = {"joy": joy, "anger": 1 - joy}
    label = max(spread, key=spread.__getitem__)
    return Line(
        number=number, start_s=start_s, end_s=start_s + length_s, speaker=None, text="", gated=None, label=label,
        confidence=spread[label], abstained=None, probabilities=spread, settled=True, judged=True, by_person=False,
        model=(label, spread[label]), words=None, voice=None, was=None,
    )  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    return facts(read_session(write_session(tmp_path_factory.mktemp("s") / "s", scenes.lively())))


@settings(deadline=None, max_examples=100)
@given(
    starts=st.lists(st.tuples(st.floats(0, 990), st.floats(0, 10), st.floats(0, 1)), min_size=1, max_size=60),
    count=st.integers(1, 300),
)
def test_the_extremes_and_the_voiced_time_survive_any_number_of_columns(
    starts: list[tuple[float, float, float]], count: int
) -> None:
    lines = [line(n, *what) for n, what in enumerate(starts)]
    valences = [each.valence for each in lines if each.valence is not None]
    drawn = columns(lines, 1000.0, count)
    assert len(drawn) == count
    assert min(c.low for c in drawn if c.low is not None) == min(valences)
    assert max(c.high for c in drawn if c.high is not None) == max(valences)
    voiced_s = sum(sum(c.voiced_s.values()) for c in drawn)
    assert voiced_s == pytest.approx(sum(each.end_s - each.start_s for each in lines), abs=2e-3 * (len(lines) + count))
    for column in drawn:
        assert (column.trend is None) == (column.weight_s == 0)
        assert column.trend is None or min(valences) - 1e-9 <= column.trend <= max(valences) + 1e-9


def test_a_short_outburst_in_a_long_session_is_drawn_with_its_own_label() -> None:
    lines = [line(n, n * 2.0, 1.5, 0.9) for n in range(5000)]
    lines[2500] = line(2500, 5000.0, 0.4, 0.0)
    drawn = columns(lines, 10_000.0, 290)
    assert min(column.low for column in drawn if column.low is not None) == pytest.approx(-0.8)
    assert any("anger" in column.voiced_s for column in drawn)


@given(flags=st.lists(st.booleans(), max_size=50))
def test_runs_are_the_true_stretches(flags: list[bool]) -> None:
    rebuilt = [False] * len(flags)
    for first, after in runs(flags):
        assert after > first
        rebuilt[first:after] = [True] * (after - first)
    assert rebuilt == flags


@pytest.mark.parametrize("ground", [LIGHT_GROUND, DARK_GROUND])
def test_colours_of_labels_are_legible(ground: str) -> None:
    for emotion in EMOTIONS.values():
        assert contrast(legible(emotion.colour, ground, TEXT_CONTRAST), ground) >= 4.5
        mark = legible(emotion.colour, ground, MARK_CONTRAST)
        assert contrast("#000000", mark) >= 4.5  # the sign that stands on it


def test_every_label_has_a_sign_of_its_own_and_a_row_with_its_name(found: Facts) -> None:
    signs = [sign(label) for label in (*EMOTIONS, NOT_SURE)]
    assert len(set(signs)) == len(signs)
    svg = course(found)
    for lane in lanes_of(found):
        assert f"{sign(lane)} {lane}</text>" in svg
    assert len({colour_class(label) for label in EMOTIONS}) == len(EMOTIONS)


def test_a_figure_has_a_title_a_description_and_a_drawing_for_each_width(found: Facts) -> None:
    svg = course(found)
    assert svg.count("<svg") == svg.count("<title") == svg.count("<desc") == 2
    assert 'class="wide"' in svg
    assert 'class="slim"' in svg
    assert "Expected valence from" in svg


def test_many_labels_leave_a_dozen_rows(tmp_path: Path) -> None:
    labels = tuple(f"label{n}" for n in range(40))
    events = [scenes.start(labels=labels)]
    for n, final in enumerate(e for e in scenes.lively(40) if type(e).__name__ == "UtteranceFinal"):
        events += [final, scenes.estimate(f"u{n}", "frozen", 0, {labels[n]: 0.9, labels[0]: 0.1})]
    lanes = lanes_of(facts(read_session(write_session(tmp_path / "s", events))))
    assert len(lanes) <= 13
    assert "other labels" in lanes


def test_names_are_cut_to_what_fits() -> None:
    assert fitted("Ann", 10) == "Ann"
    assert fitted("A very long name indeed", 10).endswith("…")
    assert len(fitted("漢字漢字漢字漢字", 10)) < 7
    assert fitted("", 3) == ""
