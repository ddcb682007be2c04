"""What is shown of one hypothesis after the other while somebody speaks: stable words are never taken back."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livemerc.audio.items import Speech
from livemerc.notation import words
from livemerc.pipeline.hypotheses import Hypotheses

WORDS = st.sampled_from(["news", "News,", "news.", "they", "gave", "me", "the", "job", "...", "I"])
LOOKS = st.lists(st.lists(WORDS, max_size=12).map(" ".join), max_size=20)
SAID = ["I", "have", "wonderful", "news", "they", "gave", "me", "the", "job"]


def look(t_s: float, start_s: float = 0.0, speaker: str | None = None) -> Speech:
    return Speech("u1", np.zeros(0, np.float32), start_s, t_s, speaker)


def shown(texts: list[str]) -> tuple[list[str], list[str]]:
    """What is shown, and what of it is stable, after each look."""
    hypotheses = Hypotheses(0.5)
    seen, stable = [], []
    for i, text in enumerate(texts):
        seen.append(hypotheses.shown(look(i / 2), text))
        stable.append(hypotheses.stable(look(i / 2)))
    return seen, stable


@given(LOOKS)
def test_the_stable_beginning_only_grows_and_is_what_is_shown(looks: list[str]) -> None:
    seen, stable = shown(looks)
    for before, now in itertools.pairwise(stable):
        assert now.split()[: len(before.split())] == before.split()
    for text, beginning in zip(seen, stable, strict=True):
        if text:
            assert text.split()[: len(beginning.split())] == beginning.split()


@given(st.lists(st.integers(0, len(SAID)), min_size=2, max_size=20))
def test_looks_that_never_change_their_mind_are_shown_as_they_are(lengths: list[int]) -> None:
    looks = [" ".join(SAID[:length]) for length in sorted(lengths)]
    seen, stable = shown(looks)
    assert seen == looks
    assert stable[-1] == looks[-2], "all that two looks heard"


@pytest.mark.parametrize(
    ("looks", "seen"),
    [
        # the newest word changes until two looks agree on it
        (["I have", "I have one", "I have won their", "I have won der"],
         ["I have", "I have one", "I have won their", "I have won der"]),
        # a stable word keeps its form, and what follows goes on
        (["We miss the", "We miss the last", "We missed the last train"],
         ["We miss the", "We miss the last", "We miss the last train"]),
        # a word that is lost, or put in, does not shift the others
        (["so I said no", "so I said no way", "I said no way at all"],
         ["so I said no", "so I said no way", "so I said no way at all"]),
        # the full stop of a look's last word is only the end of what there was to hear
        (["They gave.", "They gave me.", "They gave me the job."],
         ["They gave.", "They gave me.", "They gave me the job."]),
        # a look that went wrong is left out, and so is one that heard nothing
        (["we missed the train", "we missed the train and", "thank you for watching", "", "we missed the train and so"],
         ["we missed the train", "we missed the train and", "", "", "we missed the train and so"]),
    ],
)  # fmt: skip
def test_what_is_shown(looks: list[str], seen: list[str]) -> None:
    assert shown(looks)[0] == seen


def test_everybody_who_speaks_has_words_of_their_own() -> None:
    hypotheses = Hypotheses(0.5)
    for text in ("good morning", "good morning all"):
        assert hypotheses.shown(look(1.0, speaker="a"), text) == text
    assert hypotheses.shown(look(1.0, speaker="b"), "no") == "no"
    assert hypotheses.shown(look(9.0, start_s=8.0, speaker="a"), "yes") == "yes", "the next utterance of the same id"
    assert words(hypotheses.stable(look(1.0, speaker="a"))) == ["good", "morning"]


def test_a_look_is_due_twice_a_second_and_more_rarely_where_it_takes_long() -> None:
    for takes_s, expected in ((0.0, 9), (0.25, 9), (0.4, 6), (1.0, 3)):
        hypotheses = Hypotheses(0.5)
        assert sum(hypotheses.due(look(tenth / 10), takes_s) for tenth in range(5, 46)) == expected


def test_what_is_over_is_forgotten() -> None:
    hypotheses = Hypotheses(0.5)
    for start in range(0, 1000, 10):
        speech = look(start + 1.0, start_s=float(start))
        assert hypotheses.due(speech, 0.0)
        hypotheses.shown(speech, "good morning")
    assert len(hypotheses._open) <= 7
