"""Wrapping words into cells."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from livemerc.dashboard.panels.wrapping import in_cells, wrap
from livemerc.text_safety import sure_width

anything = st.text(max_size=120) | st.text(alphabet="ab 中文字שלוםعربي👍🏽👩‍👧é́\x1b[]m", max_size=120)


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


@given(st.text(alphabet="ab 中é", max_size=40), st.integers(1, 30))
def test_a_name_fills_its_column_and_says_where_it_was_cut(name: str, width: int) -> None:
    shown = in_cells(name, width)
    assert cell_len(shown) == width
    assert ("…" in shown) == (cell_len(name) > width)
