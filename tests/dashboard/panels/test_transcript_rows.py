"""Rows of the transcript: whatever is said, they keep their width."""

from __future__ import annotations

from helpers.scripted_monitor import emotion, final, start
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from livemerc.dashboard.palette import DARK, PALETTES
from livemerc.dashboard.panels.transcript_rows import Columns, Marked, height, matches, render
from livemerc.dashboard.state.session import SessionState

anything = st.text(max_size=120) | st.text(alphabet="ab 中文字שלוםعربي👍🏽👩‍👧é́\x1b[]m", max_size=120)


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


@given(anything, anything, st.text(alphabet="ab中ש ", max_size=3), st.booleans(), st.integers(40, 120))
def test_marked_rows_are_as_wide_as_the_others(text: str, speaker: str, sought: str, chosen: bool, width: int) -> None:
    state = SessionState()
    state.apply(final(1, 0, 1, text, speaker))
    state.apply(emotion(1, "joy", 0.6))
    utterance = state.utterances[0]
    columns = Columns(width, speaker=6)
    plain = render(utterance, columns, PALETTES[0])
    marked = render(utterance, columns, PALETTES[0], Marked(True, chosen, sought.lower()))
    assert len(marked) == len(plain) == height(utterance, columns)
    for bare, row in zip(plain, marked, strict=True):
        drawn = "".join(segment.text for segment in row)
        assert drawn[1:].startswith("".join(segment.text for segment in bare)[1:])
        if chosen:  # to the edge, by the cells of what is drawn piece by piece
            assert sum(cell_len(segment.text) for segment in row) == width


def test_what_somebody_else_speaks_in_is_told_where_that_was_sought_and_found() -> None:
    state = SessionState()
    for event in (final(1, 0, 2, "no"), final(2, 3, 5, "no", overlaps=[]), final(3, 6, 9, "no", overlaps=[(6.5, 7.3)])):
        state.apply(event)
    drawn = ["".join(s.text for s in render(u, Columns(120), PALETTES[0])[0]) for u in state.utterances]
    assert ["overlap" in row for row in drawn] == [False, False, True]
    assert "no (0.8 s overlap)" in drawn[2].replace("\u00a0", " ")


def test_what_is_sought_is_found_whatever_its_case_and_lit_wherever_it_stands() -> None:
    state = SessionState()
    state.apply(final(1, 0, 1, "You said you would. YOU!", "Ann"))
    utterance = state.utterances[0]
    assert matches(utterance, "you")
    assert matches(utterance, "ann")
    assert not matches(utterance, "joy")
    state.apply(emotion(1, "joy", 0.6))
    assert matches(utterance, "joy")
    rows = render(utterance, Columns(100, speaker=4), DARK, Marked(query="you"))
    lit = [s.text for row in rows for s in row if s.style == DARK.found]
    assert lit == ["You", "you", "YOU"]
