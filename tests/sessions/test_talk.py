"""How the floor is shared, and how it changes hands."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livemerc.sessions.talk import Said, talk


def said(*of: tuple[str | None, float, float]) -> list[Said]:
    return [Said(*one) for one in of]


def test_shares_and_balance() -> None:
    found = talk(said(("Ann", 0, 6), ("Bob", 7, 9)))
    assert found.talked_s == {"Ann": 6, "Bob": 2}
    assert found.shares() == {"Ann": 0.75, "Bob": 0.25}
    assert found.balance == pytest.approx(-(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25)))
    assert talk(said(("Ann", 0, 3), ("Bob", 3, 6), ("Cy", 6, 9))).balance == pytest.approx(1.0)


def test_one_speaker_alone_has_no_balance() -> None:
    assert talk([]).balance is None
    assert talk(said(("Ann", 0, 6), ("Ann", 7, 9))).balance is None
    assert talk(said((None, 0, 6), ("Ann", 7, 9))).shares() == {"Ann": 1.0}


@pytest.mark.parametrize(("begin_s", "at_once"), [(4.5, 1), (5.0, 1), (5.08, 1), (5.3, 0)])
def test_who_begins_before_the_other_has_paused_takes_over_without_a_gap(begin_s: float, at_once: int) -> None:
    found = talk(said(("Ann", 0, 5), ("Bob", begin_s, 8)))
    assert found.taken == {"Bob": 1}
    assert found.at_once.get("Bob", 0) == at_once
    assert found.overlap_s == pytest.approx(max(0.0, 5 - begin_s))


def test_who_speaks_inside_anothers_turn_takes_no_floor() -> None:
    found = talk(said(("Ann", 0, 5), ("Bob", 2, 2.5), ("Ann", 5.05, 6)))
    assert found.taken == {}
    assert found.overlap_s == pytest.approx(0.5)


def test_what_is_marked_within_an_utterance_is_at_once_and_counts_once() -> None:
    marked = Said("Ann", 0, 5, ((1.0, 1.4), (4.0, 5.0)))
    assert talk([marked]).overlap_s == pytest.approx(1.4)
    assert talk([marked, Said("Bob", 4.5, 5.5)]).overlap_s == pytest.approx(1.4)
    assert talk([marked]).talked_s == {"Ann": 5}


def test_who_goes_on_takes_the_floor_from_nobody() -> None:
    assert talk(said(("Ann", 0, 5), ("Ann", 5, 6))).taken == {}


def test_nothing_is_taken_from_or_by_somebody_unknown() -> None:
    found = talk(said(("Ann", 0, 5), (None, 5, 7), ("Bob", 7, 9)))
    assert (found.taken, found.at_once) == ({}, {})


utterances = st.lists(
    st.builds(
        lambda speaker, start, length: Said(speaker, start / 10, (start + length) / 10),
        st.sampled_from(["Ann", "Bob", "Cy", None]), st.integers(0, 300), st.integers(0, 80),
    ),
    max_size=25,
)  # fmt: skip


@given(utterances)
def test_the_order_in_which_they_are_given_says_nothing_and_shares_are_shares(of: list[Said]) -> None:
    found, again = talk(of), talk(reversed(of))
    assert found.talked_s == pytest.approx(again.talked_s)
    assert found.overlap_s == pytest.approx(again.overlap_s)
    assert sum(found.shares().values()) == pytest.approx(1.0 if sum(found.talked_s.values()) else 0.0)
    assert found.balance is None or -1e-9 <= found.balance <= 1 + 1e-9
    assert all(found.at_once[speaker] <= found.taken[speaker] for speaker in found.at_once)
    speaking = [sum(one.start_s <= at / 10 < one.end_s for one in of) for at in range(400)]
    alone = [len({one.speaker for one in of if one.start_s <= at / 10 < one.end_s}) > 1 for at in range(400)]
    assert found.overlap_s == pytest.approx(sum(alone) / 10, abs=1e-6)
    assert found.overlap_s <= sum(one > 1 for one in speaking) / 10 + 1e-6
