"""Words never steer the terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livemerc.text_safety import plain_text, sure_width

JOINERS = "\u200c\u200d"


@given(st.text())
def test_nothing_that_a_terminal_interprets_is_left(text: str) -> None:
    shown = plain_text(text)
    assert len(shown) == len(text)
    for character in shown:
        assert character in JOINERS or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert plain_text(shown) == shown
    shown.encode()  # lone surrogates cannot be written: there are none


@given(st.text(alphabet=st.characters(exclude_categories=["C", "Z"])))
def test_printable_text_survives_unchanged(text: str) -> None:
    assert plain_text(text) == text


@given(st.text())
def test_a_row_keeps_letters_and_nothing_of_unsure_width(text: str) -> None:
    shown = sure_width(text)
    assert [c for c in shown if c.isalnum()] == [c for c in plain_text(text) if c.isalnum()]
    assert not any("\ufe00" <= c <= "\ufe0f" or "\U0001f3fb" <= c <= "\U0001f3ff" for c in shown)


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("\x1b]8;;http://x\x07link", "␛]8;;http://x␇link"),
        ("a\x9b2Jb", "a\ufffd2Jb"),
        ("left\u202etfel\u2066x", "left\ufffdtfel\ufffdx"),
        ("one\r\ntwo\tthree\u2028four", "one  two three four"),
        ("\x7f\x00", "␡␀"),
        ("[bold red]plain[/]", "[bold red]plain[/]"),
        ("می\u200cخواهم", "می\u200cخواهم"),
    ],
)
def test_escape_sequences_links_and_bidi_controls_show_as_characters(hostile: str, shown: str) -> None:
    assert plain_text(hostile) == shown


def test_an_emoji_keeps_one_sure_width() -> None:
    assert sure_width("👍🏽 ❤️ 👩\u200d👧") == "👍 ❤ 👩👧"
