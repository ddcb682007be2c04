"""What is shown of one hypothesis after the other while somebody speaks: stable words are never taken back."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livemerc.audio.items import Speech, Utterance
from livemerc.config import SAMPLE_RATE_HZ as RATE_HZ
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


def ended(seconds: float) -> Utterance:
    """Of somebody who has spoken since 0, and has perhaps ended."""
    samples = np.arange(seconds * RATE_HZ, dtype=np.float32)
    return Utterance("u1", samples, 0.0, 0.0, seconds, seconds, forced_cut=False)


def test_a_pause_behind_enough_words_settles_them_and_later_looks_begin_there() -> None:
    hypotheses, speech = Hypotheses(0.5), look(6.0)
    hypotheses.shown(look(1.0), "I have won")
    assert hypotheses.pause(ended(5.0), "I have wonderful news.", whole=True) == "I have wonderful news."
    assert hypotheses.stable(speech) == "I have wonderful news."
    longer = dataclasses.replace(speech, samples=np.arange(6 * RATE_HZ, dtype=np.float32))
    assert hypotheses.unsettled(longer).tolist() == list(range(5 * RATE_HZ, 6 * RATE_HZ))
    assert hypotheses.shown(speech, "They gave") == "I have wonderful news. They gave"
    # the next pause is heard from where the last one was, or from the beginning
    assert hypotheses.pause(ended(9.5), "They gave me", whole=False) == "I have wonderful news. They gave me"
    whole = "I've wonderful news. They gave me the job."
    assert hypotheses.pause(ended(14.0), whole, whole=True) == "I have wonderful news. They gave me the job."


def test_a_pause_behind_few_words_or_one_that_was_misheard_settles_nothing() -> None:
    hypotheses, speech = Hypotheses(0.5), look(3.0)
    assert hypotheses.pause(ended(2.0), "I have", whole=True) == "I have"
    assert hypotheses.stable(speech) == ""
    assert hypotheses.pause(ended(5.0), "", whole=True) == ""
    for text in ("I have news", "I have news today"):
        hypotheses.shown(speech, text)
    assert hypotheses.pause(ended(6.0), "thank you for watching me", whole=True) == ""
    assert hypotheses.stable(speech) == "I have news"


def test_after_a_pause_the_next_look_comes_as_if_it_had_been_one() -> None:
    hypotheses = Hypotheses(0.5)
    hypotheses.pause(ended(1.0), "I have", whole=True)
    assert [hypotheses.due(look(t_s), 0.0) for t_s in (1.4, 1.5)] == [False, True]


@given(st.lists(st.tuples(st.lists(WORDS, max_size=12).map(" ".join), st.sampled_from(["look", "part", "whole"]))))
def test_whatever_is_heard_in_pauses_stable_words_only_grow(looks: list[tuple[str, str]]) -> None:
    hypotheses = Hypotheses(0.5)
    before = ""
    for i, (text, kind) in enumerate(looks, start=1):
        if kind == "look":
            hypotheses.shown(look(float(i)), text)
        else:
            hypotheses.pause(ended(float(i)), text, whole=kind == "whole")
        now = hypotheses.stable(look(float(i)))
        assert now.split()[: len(before.split())] == before.split()
        before = now
