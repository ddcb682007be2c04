"""Shifts and the strongest moments."""

from __future__ import annotations

import random

from helpers.scripted_monitor import emotion, final

from livemerc.dashboard.state.session import SessionState
from livemerc.emotions import LABELS


def naive_shifts(state: SessionState) -> list[float]:
    last: dict[str | None, str] = {}
    found = []
    for utterance in state.utterances:
        estimate = utterance.estimate
        if not utterance.final or estimate is None or estimate.abstained:
            continue
        if last.get(utterance.speaker, estimate.label) != estimate.label:
            found.append(utterance.start_s)
        last[utterance.speaker] = estimate.label
    return found


def test_shifts_are_of_the_same_speaker_follow_revisions_and_leave_out_what_is_not_sure() -> None:
    state = SessionState()
    dice = random.Random(7)
    for number in range(300):
        state.apply(final(number, number * 2.0, number * 2.0 + 1.5, "x", dice.choice(["Ann", "Ben", None])))
        unsure = "short" if dice.random() < 0.2 else None
        state.apply(emotion(number, dice.choice(LABELS[:3]), 0.6, abstained=unsure))
        if number and dice.random() < 0.4:
            earlier = number - dice.randint(1, min(3, number))
            state.apply(emotion(earlier, dice.choice(LABELS[:3]), 0.7, status="revised", revision=1))
        if dice.random() < 0.5:
            assert state.shifts_s() == naive_shifts(state)
    assert len(state.shifts_s()) > 50


def test_the_strongest_are_the_surest_that_are_not_neutral_and_follow_revisions() -> None:
    state = SessionState()
    for number, (label, sure, abstained) in enumerate(
        [("joy", 0.7, None), ("neutral", 0.99, None), ("anger", 0.9, None), ("fear", 0.95, "short"), ("joy", 0.5, None)]
    ):
        state.apply(final(number, number * 2.0, number * 2.0 + 1, "x"))
        state.apply(emotion(number, label, sure, abstained=abstained))
    state.apply(final(9, 20.0, 20.2, "!"))  # too short to point at
    state.apply(emotion(9, "anger", 0.99))
    assert [u.utterance_id for u in state.strongest(5)] == ["u2", "u0", "u4"]
    state.apply(emotion(2, "neutral", 0.8, status="revised", revision=1))
    assert [u.utterance_id for u in state.strongest(5)] == ["u0", "u4"]
