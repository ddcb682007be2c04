"""The four writings of a line."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.corpora.writings import WRITINGS, as_whisper, misheard, plain, read_confusions, writer

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=60)


@pytest.mark.parametrize(
    ("written", "heard"),
    [
        ("No way!", "No way."),
        ("What?!", "What?"),
        ("What!?", "What?"),
        ("So... you know", "So. you know"),
        ("So…you know!!", "So. you know."),
        ('He said "go!" (softly)', "He said go. softly"),
        ("Hey, it's 3.5 dollars; isn't it?", "Hey, it's 3.5 dollars; isn't it?"),
        ("Well-known, Mr. Geller.", "Well-known, Mr. Geller."),
        ("!", "!"),  # nothing would be left: the text stays
        (")", ")"),
        ("", ""),
    ],
)
def test_as_whisper_writes_marks_become_stops_and_nothing_else_changes(written: str, heard: str) -> None:
    assert as_whisper(written) == heard


@given(TEXT)
def test_as_whisper_keeps_every_word_and_writes_no_mark_of_feeling(text: str) -> None:
    heard = as_whisper(text)
    assert re.findall(r"\w+", heard) == re.findall(r"\w+", text)
    if re.search(r"\w", text):
        assert not re.search(r"[!…\"“”()\[\]]|\.\.", heard)
    assert as_whisper(heard) == heard


@pytest.mark.parametrize(
    ("written", "heard"),
    [
        ("Oh, my God! It's YOU?", "oh my god it's you"),
        ("Well-known... 3 times", "well known 3 times"),
        ("Straße", "straße"),
        ("?!", "?!"),
        ("", ""),
    ],
)
def test_plain_has_neither_case_nor_punctuation_but_apostrophes(written: str, heard: str) -> None:
    assert plain(written) == heard


def test_words_are_misheard_as_often_as_the_table_says_and_keep_their_case() -> None:
    table = {"word": [("ward", 0.2), ("", 0.1)]}
    heard = misheard(" ".join(["Word"] * 20_000), table, random.Random(0)).split()
    assert set(heard) == {"Word", "Ward"}
    assert heard.count("Ward") / 20_000 == pytest.approx(0.2, abs=0.01)
    assert len(heard) / 20_000 == pytest.approx(0.9, abs=0.01)


def test_a_text_that_would_lose_every_word_stays() -> None:
    assert misheard("Word, word!", {"word": [("", 1.0)]}, random.Random(0)) == "Word, word."


@given(TEXT, st.integers(0, 100))
def test_misheard_is_the_same_for_the_same_seed_and_never_empties_a_text(text: str, seed: int) -> None:
    table = read_confusions()
    first, second = (misheard(text, table, random.Random(seed), strength=3.0) for _ in range(2))
    assert first == second
    assert bool(first.strip()) == bool(text.strip())


def test_the_table_has_real_confusions_with_chances_that_are_some() -> None:
    table = read_confusions()
    assert len(table) > 200
    for word, wrong in table.items():
        assert 0 < sum(chance for _, chance in wrong) <= 1.001, word
        assert all(other != word and chance > 0 for other, chance in wrong), word


def test_every_writing_has_its_writer() -> None:
    heard = {w: writer(w, {"no": [("know", 1.0)]}, random.Random(0))("No!") for w in WRITINGS}
    assert heard == {"written": "No!", "whisper": "No.", "plain": "no", "misheard": "Know."}
