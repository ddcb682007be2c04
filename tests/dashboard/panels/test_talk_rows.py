"""How speakers share the floor, on the screen."""

from __future__ import annotations

import pytest
from rich.text import Text

from livemerc.dashboard.palette import DARK
from livemerc.dashboard.panels.talk_rows import talk_in_head, talk_rows
from livemerc.sessions.talk import Said, Talk, talk

TWO = talk([Said("S1", 0, 6), Said("S2", 6, 8), Said("S1", 9, 10)])


def colours_of(row: Text) -> set[str]:
    styles = [row.style, *(span.style for span in row.spans)]
    return {s.color.name for s in styles if not isinstance(s, str) and s.color is not None}


@pytest.mark.parametrize("width", [30, 44, 58, 90])
def test_each_speaker_has_a_row_in_their_colour_that_fits(width: int) -> None:
    head, *rows = talk_rows(DARK, TWO, width, 4)
    assert all(row.cell_len <= width for row in [head, *rows])
    assert [row.plain.split()[0] for row in rows] == ["S1", "S2"]
    assert "78%" in rows[0].plain
    assert "22%" in rows[1].plain
    assert "»1" in rows[1].plain
    assert "»" not in rows[0].plain
    assert DARK.speaker("S1") in colours_of(rows[0])
    assert DARK.speaker("S2") in colours_of(rows[1])


def test_where_fewer_than_two_talk_there_is_nothing_to_share() -> None:
    for alone in (Talk(), talk([Said("S1", 0, 6)]), talk([Said(None, 0, 6), Said("S1", 6, 8)])):
        assert talk_rows(DARK, alone, 44, 4) == []
        assert not talk_in_head(DARK, alone).plain


def test_of_many_the_longest_talking_are_shown_and_how_many_more_there_are() -> None:
    many = talk([Said(f"S{n}", 10 * n, 10 * n + n) for n in range(1, 8)])
    rows = talk_rows(DARK, many, 44, 3)[1:]
    assert [row.plain.split()[0] for row in rows] == ["S7", "S6", "and"]
    assert rows[-1].plain == "and 5 more, 54%"


def test_where_there_is_room_for_one_row_it_has_them_all() -> None:
    for most in (0, 1):
        (row,) = talk_rows(DARK, TWO, 44, most)
        assert row.plain.split() == ["TALK", "S1", "78%", "S2", "22%"]
    assert talk_rows(DARK, TWO, 44, -1) == []


def test_where_there_is_no_room_for_rows_the_head_has_the_shares() -> None:
    assert talk_in_head(DARK, TWO).plain.split() == ["S1", "78%", "S2", "22%"]
