"""Utterances shared out among speakers as they come."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livemerc.events import UtteranceSpeaker
from livemerc.speakers.mixture import Mixture, Sample
from livemerc.speakers.online import OnlineSpeakers, Rules

WIDTH = 6
APART = Mixture(between=25.0, dimensions=WIDTH, new_cost=2.0, scale=0.5, anchor=4.0)
"""Voices that lie five deviations from each other."""


def online(revise: int = 3, at_most: int | None = None, sure: float = 0.5) -> OnlineSpeakers:
    return OnlineSpeakers(APART, Rules(revise=revise, sure=sure, memory=20.0, at_most=at_most))


def voice(speaker: int, rng: np.random.Generator, *, weight: float = 1.0, may_begin: bool = True) -> Sample:
    """An utterance of a speaker who is where their number puts them."""
    mean = 5.0 * np.random.default_rng(1000 + speaker).standard_normal(WIDTH)
    return Sample(mean + rng.standard_normal(WIDTH) / np.sqrt(weight), weight, may_begin)


def heard(spoken: list[Sample | None], speakers: OnlineSpeakers, *, to_the_end: bool = True) -> list[UtteranceSpeaker]:
    told = [event for i, sample in enumerate(spoken) for event in speakers.add(f"u{i}", sample)]
    return told + (speakers.freeze_all() if to_the_end else [])


def frozen(told: list[UtteranceSpeaker]) -> dict[str, str | None]:
    return {event.utterance_id: event.speaker for event in told if event.status == "frozen"}


samples = st.lists(
    st.one_of(
        st.none(),
        st.tuples(st.integers(0, 3), st.floats(0.1, 1.5), st.booleans(), st.integers(0, 2**32 - 1)),
    ),
    max_size=14,
).map(
    lambda drawn: [
        None if one is None else voice(one[0], np.random.default_rng(one[3]), weight=one[1], may_begin=one[2])
        for one in drawn
    ]
)


@pytest.mark.parametrize("people", [1, 2, 4])
def test_voices_that_lie_apart_are_told_apart_and_named_in_the_order_in_which_they_are_heard(people: int) -> None:
    rng = np.random.default_rng(5)
    order = [*range(people), *rng.integers(people, size=16)]
    names = list(frozen(heard([voice(int(who), rng) for who in order], online())).values())
    assert names == [f"S{who + 1}" for who in order]


@settings(deadline=None, max_examples=60)
@given(samples, st.integers(0, 5), st.integers(0, 14))
def test_what_comes_later_changes_nothing_that_is_frozen(spoken: list[Sample | None], revise: int, cut: int) -> None:
    early = frozen(heard(spoken[:cut], online(revise), to_the_end=False))
    late = frozen(heard(spoken, online(revise)))
    assert early.items() <= late.items()


@settings(deadline=None, max_examples=60)
@given(samples, st.integers(0, 5))
def test_each_is_provisional_first_and_frozen_last_and_revisions_count_up(
    spoken: list[Sample | None], revise: int
) -> None:
    of: dict[str, list[UtteranceSpeaker]] = {}
    for event in heard(spoken, online(revise)):
        of.setdefault(event.utterance_id, []).append(event)
    assert list(of) == [f"u{i}" for i in range(len(spoken))]
    for told in of.values():
        assert [event.status for event in told] == ["provisional", *["revised"] * (len(told) - 2), "frozen"]
        assert [event.revision for event in told] == list(range(len(told)))
        assert all(0.0 <= event.confidence <= 1.0 + 1e-9 for event in told)
        changes = [event.speaker for event in told[:-1]]
        assert all(a != b for a, b in itertools.pairwise(changes))
        assert told[-1].speaker == changes[-1]


@settings(deadline=None, max_examples=60)
@given(samples, st.integers(1, 3))
def test_there_are_never_more_than_there_may_be(spoken: list[Sample | None], at_most: int) -> None:
    names = {event.speaker for event in heard(spoken, online(at_most=at_most)) if event.speaker is not None}
    assert names <= {f"S{number + 1}" for number in range(at_most)}


def test_nobody_is_new_from_too_little_voice() -> None:
    rng = np.random.default_rng(0)
    words = [voice(0, rng), voice(0, rng), voice(1, rng, may_begin=False), voice(0, rng)]
    assert frozen(heard(words, online())) == {"u0": "S1", "u1": "S1", "u2": None, "u3": "S1"}


def test_an_utterance_without_a_voice_is_nobodys_and_hinders_none() -> None:
    rng = np.random.default_rng(0)
    assert list(frozen(heard([None, voice(0, rng), None, voice(0, rng)], online())).values()) == [
        None,
        "S1",
        None,
        "S1",
    ]


def test_who_lies_between_two_is_nobodys() -> None:
    rng = np.random.default_rng(0)
    speakers = online(at_most=2, sure=0.7)
    told = heard([voice(who, rng) for who in (0, 1) * 4], speakers, to_the_end=False) + speakers.freeze_all()
    assert set(frozen(told).values()) == {"S1", "S2"}
    means = [np.mean([voice(who, np.random.default_rng(i)).x for i in range(50)], axis=0) for who in (0, 1)]
    doubtful = speakers.add("between", Sample((means[0] + means[1]) / 2, 0.05))[0]
    assert doubtful.speaker is None
    assert 0.3 < doubtful.confidence < 0.7


def farthest_joined(count: int, popularity: float) -> float:
    """How far from a voice of `count` utterances the next one may be and is still theirs."""
    mixture = Mixture(between=25.0, dimensions=WIDTH, new_cost=0.0, scale=0.5, anchor=1e6, popularity=popularity)
    mean = np.full(WIDTH, 2.0)
    for away in np.arange(0.25, 8.0, 0.25):
        speakers = OnlineSpeakers(mixture, Rules(revise=0, sure=0.0, memory=50.0))
        for i in range(count):
            speakers.add(f"u{i}", Sample(mean, 1.0))
        if speakers.add("last", Sample(mean + away, 1.0))[0].speaker != "S1":
            return float(away)
    return 8.0


def test_the_more_somebody_has_said_the_more_it_takes_to_be_new() -> None:
    assert farthest_joined(40, popularity=3.0) > farthest_joined(2, popularity=3.0)
    assert farthest_joined(40, popularity=3.0) > farthest_joined(40, popularity=0.0)


def test_popularity_does_not_say_whether_two_samples_are_of_one_voice() -> None:
    rng = np.random.default_rng(0)
    one, other = voice(0, rng), voice(1, rng)
    assert replace(APART, popularity=5.0).apart(one, other) == APART.apart(one, other)


def test_whose_name_is_known_keeps_it_and_is_heard_again_by_it() -> None:
    rng = np.random.default_rng(0)
    speakers = online()
    speakers.add_known("Ann", voice(0, rng))
    told = heard([voice(0, rng), voice(1, rng), voice(0, rng)], speakers)
    assert frozen(told) == {"u0": "Ann", "u1": "S1", "u2": "Ann"}


def test_an_hour_of_one_voice_hides_no_second_one() -> None:
    rng = np.random.default_rng(0)
    names = list(frozen(heard([*(voice(0, rng) for _ in range(700)), voice(1, rng), voice(1, rng)], online())).values())
    assert names == ["S1"] * 700 + ["S2"] * 2
