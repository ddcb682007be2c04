"""Pure pieces of the screen: wrapping, rows, the course, colours. Whatever is said, rows keep their width."""

from __future__ import annotations

import itertools

import pytest
from helpers.scripted_monitor import emotion, final, start
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from livemerc.dashboard.palette import PALETTES, contrast, glyph
from livemerc.dashboard.panels.rows import Columns, height, render
from livemerc.dashboard.panels.wrapping import wrap
from livemerc.dashboard.state.course import Course
from livemerc.dashboard.state.session import SessionState
from livemerc.emotions import LABELS
from livemerc.text_safety import sure_width

anything = st.text(max_size=120) | st.text(alphabet="ab 中文字שלום👍🏽👩‍👧é́\x1b[]m", max_size=120)


@given(anything.map(sure_width), st.integers(2, 60))
def test_wrapped_lines_fit_and_lose_nothing_but_spaces(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert lines
    assert all(cell_len(text[start:end]) <= width for start, end in lines)
    assert "".join(text[start:end] for start, end in lines).replace(" ", "") == text.replace(" ", "")
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(lines))


def test_words_are_cut_at_spaces_and_only_too_long_ones_inside() -> None:
    text = "one two three abcdefghijkl"
    assert [text[a:b] for a, b in wrap(text, 9)] == ["one two", "three", "abcdefghi", "jkl"]
    assert [("日本語です"[a:b]) for a, b in wrap("日本語です", 4)] == ["日本", "語で", "す"]


@given(anything, anything, st.none() | anything, st.none() | anything, st.integers(40, 120))
def test_no_row_is_wider_than_the_screen_whatever_is_said(
    text: str, speaker: str, gated: str | None, abstained: str | None, width: int
) -> None:
    state = SessionState()
    for event in (
        start(), final(1, 0, 1, text, speaker, gated), emotion(1, "joy", 0.6),
        emotion(1, "fear", 0.4, status="revised", revision=1, abstained=abstained),
    ):  # fmt: skip
        state.apply(event)
    columns = Columns(width, speaker=6)
    rows = render(state.utterances[0], columns, PALETTES[0])
    assert len(rows) == height(state.utterances[0], columns)
    for row in rows:
        drawn = "".join(segment.text for segment in row)
        assert cell_len(drawn) <= width
        assert all(c.isprintable() or c in "\u200c\u200d" for c in drawn)


def test_markup_in_words_is_shown_as_it_is() -> None:
    state = SessionState()
    state.apply(final(1, 0, 1, "[bold red]hi[/] \x1b]8;;http://evil\x07link"))
    drawn = "".join(s.text for s in render(state.utterances[0], Columns(120), PALETTES[0])[0])
    assert "[bold red]hi[/] ␛]8;;http://evil␇link" in drawn


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


@pytest.mark.parametrize("palette", PALETTES, ids=lambda p: p.name)
def test_every_emotion_is_legible_on_every_theme(palette) -> None:  # type: ignore[no-untyped-def]
    from textual.color import Color

    for label in LABELS:
        for ground in (palette.background, palette.panel):
            assert contrast(Color.parse(palette.emotion(label)), Color.parse(ground)) >= 4.3
    assert len({palette.emotion(label) for label in LABELS}) == len(LABELS)


def test_every_glyph_is_one_cell() -> None:
    assert all(cell_len(glyph(label)) == 1 for label in (*LABELS, "not sure", "of a user's own checkpoint"))
