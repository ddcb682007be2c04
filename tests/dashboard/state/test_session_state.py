"""What the screen knows, event by event."""

from __future__ import annotations

import random

import msgspec
import pytest
from helpers.dashboard import state_after
from helpers.scripted_monitor import ScriptedGauges, conversation, emotion, end, final, partial, spread, start

from livemerc.dashboard.state import session as state_module
from livemerc.dashboard.state.course import NOT_SURE
from livemerc.dashboard.state.session import SessionState
from livemerc.emotions import LABELS, expected_valence
from livemerc.events import EmotionEvent, Modality


def texts(state: SessionState) -> list[str]:
    return [u.text for u in state.utterances]


def test_a_later_partial_supersedes_the_earlier_one_and_the_final_supersedes_both() -> None:
    state = state_after(start(), partial(1, 1.0, "so you"), partial(1, 1.0, "so you came"))
    assert texts(state) == ["so you came"]
    assert not state.utterances[0].final
    state.apply(final(1, 1.0, 2.0, "so you came after all", "Ann"))
    state.apply(partial(1, 1.0, "so you came aft"))  # late: lost the race
    assert texts(state) == ["so you came after all"]
    assert (state.utterances[0].final, state.utterances[0].speaker) == (True, "Ann")


def test_the_id_of_a_dropped_utterance_is_used_again_at_its_new_place() -> None:
    state = state_after(start(), partial(1, 1.0, "mm"), partial(1, 5.0, "well"), final(1, 5.0, 6.0, "well then"))
    assert [(u.start_s, u.text) for u in state.utterances] == [(5.0, "well then")]


def test_a_hypothesis_that_never_became_final_goes_at_the_end() -> None:
    state = state_after(start(), final(1, 0.0, 1.0, "yes"), partial(2, 2.0, "mm"), end(3.0, 1))
    assert texts(state) == ["yes"]
    assert state.phase == "finished"


def test_a_revision_keeps_what_it_was_and_a_frozen_label_never_changes() -> None:
    state = state_after(start(), final(1, 0.0, 1.0, "fine"), emotion(1, "joy", 0.6))
    utterance = state.utterances[0]
    assert utterance.was is None
    state.apply(emotion(1, "anger", 0.7, status="revised", revision=1))
    assert (utterance.was, utterance.estimate and utterance.estimate.label) == ("joy", "anger")
    state.apply(emotion(1, "anger", 0.75, status="frozen", revision=2))
    assert utterance.was == "joy"  # same label: nothing new to tell
    state.apply(emotion(1, "fear", 0.9, status="revised", revision=3))
    assert utterance.estimate is not None
    assert (utterance.estimate.label, utterance.estimate.status) == ("anger", "frozen")


def test_a_partial_estimate_is_no_label_that_was_revised() -> None:
    state = state_after(
        start(),
        partial(1, 0.0, "fi"),
        emotion(1, "joy", 0.4, status="partial", total_ms=None),
        final(1, 0.0, 1.0, "fine"),
    )
    state.apply(emotion(1, "anger", 0.7))
    assert state.utterances[0].was is None


def test_words_that_come_late_are_shown_as_words_like_any_other() -> None:
    late = msgspec.structs.replace(emotion(1, "joy", 0.8, status="revised", revision=1), late_text="there you are")
    state = state_after(start(), final(1, 1, 2, "", gated="behind: words later"), emotion(1, "anger", 0.5), late)
    (row,) = state.utterances
    assert (row.text, row.gated) == ("there you are", None)


def test_an_older_revision_that_comes_late_is_ignored() -> None:
    state = state_after(
        start(), final(1, 0.0, 1.0, "a"),
        emotion(1, "joy", 0.6, revision=2, status="revised"), emotion(1, "fear", 0.9, revision=1),
    )  # fmt: skip
    assert state.utterances[0].estimate is not None
    assert state.utterances[0].estimate.label == "joy"


def test_abstention_is_what_is_shown_and_what_a_revision_remembers() -> None:
    state = state_after(start(), final(1, 0.0, 1.0, "mm"), emotion(1, "joy", 0.3, abstained="short"))
    assert state.utterances[0].estimate is not None
    assert state.utterances[0].estimate.shown == NOT_SURE
    state.apply(emotion(1, "joy", 0.6, status="revised", revision=1))
    assert state.utterances[0].was == NOT_SURE


def test_utterances_stay_in_order_of_their_start_whatever_order_they_come_in() -> None:
    state = state_after(start(), final(2, 5.0, 6.0, "second"), final(1, 1.0, 2.0, "first"), final(3, 9.0, 9.5, "third"))
    assert texts(state) == ["first", "second", "third"]
    assert state.take_changed_from() == 0
    state.apply(emotion(3, "joy", 0.5))
    assert state.take_changed_from() == 2
    assert state.take_changed_from() is None


def test_an_estimate_before_its_words_waits_for_them() -> None:
    state = state_after(start(), emotion(1, "joy", 0.5, status="partial"), final(1, 1.0, 2.0, "words"))
    assert len(state.utterances) == 1
    assert (state.utterances[0].start_s, state.utterances[0].text) == (1.0, "words")


def test_labels_follow_the_session_and_an_unannounced_one_is_added_at_the_end() -> None:
    state = state_after(start(labels=("calm", "tense")), final(1, 0.0, 1.0, "x"))
    state.apply(
        EmotionEvent(
            utterance_id="u1", revision=0, status="provisional", label="weary", confidence=0.6,
            probabilities={"tense": 0.3, "calm": 0.1, "weary": 0.6},
            modality=Modality(text={"tense": 1.0, "calm": 0.0}),
        )
    )  # fmt: skip
    assert state.labels == ["calm", "tense", "weary"]
    assert state.utterances[0].estimate is not None
    assert state.utterances[0].estimate.probabilities == (0.1, 0.3, 0.6)
    assert state.utterances[0].estimate.text == (0.0, 1.0, 0.0)
    assert state.utterances[0].estimate.speech is None


def test_latency_is_taken_once_an_utterance_from_its_provisional_estimate() -> None:
    state = state_after(start())
    assert state.latency_ms(0.5) is None
    for number, ms in enumerate((500.0, 600.0, 700.0, 2000.0), 1):
        state.apply(final(number, number, number + 0.5, "x"))
        state.apply(emotion(number, "joy", 0.5, total_ms=ms))
        state.apply(emotion(number, "joy", 0.5, status="frozen", revision=1, total_ms=9999.0))
    assert state.latency_ms(0.5) == 700.0
    assert state.latency_ms(0.95) == 2000.0


def test_shares_follow_revisions() -> None:
    state = state_after(
        start(), final(1, 0.0, 3.0, "a"), emotion(1, "joy", 0.6), final(2, 4.0, 5.0, "b"), emotion(2, "anger", 0.6)
    )
    assert state.course.shares() == pytest.approx({"joy": 0.75, "anger": 0.25})
    state.apply(emotion(1, "anger", 0.7, status="revised", revision=1))
    assert state.course.shares() == pytest.approx({"anger": 1.0})


def test_the_valence_of_an_utterance_is_that_of_its_calibrated_probabilities_and_none_when_abstained() -> None:
    state = SessionState()
    for event in (
        start(), final(1, 0, 2, "a"), emotion(1, "joy", 0.7, second="anger"),
        final(2, 3, 5, "b"), emotion(2, "fear", 0.4, abstained="short"),
    ):  # fmt: skip
        state.apply(event)
    joy, unsure = (u.estimate for u in state.utterances)
    assert joy is not None
    assert unsure is not None
    assert joy.valence(state.labels) == pytest.approx(expected_valence(spread("joy", 0.7, "anger")))
    assert unsure.valence(state.labels) is None


def test_each_speaker_has_a_course_and_together_they_are_that_of_the_session() -> None:
    state = SessionState()
    dice = random.Random(1)
    for number in range(200):
        state.apply(final(number, number * 3.0, number * 3.0 + 2.0, "x", dice.choice(["Ann", "Ben"])))
        state.apply(emotion(number, dice.choice(LABELS), 0.6))
    columns, span_s = state.course.strip(50, state.duration_s)
    apart = [state.courses[name].columns_of(span_s, len(columns)) for name in ("Ann", "Ben")]
    for whole, *parts in zip(columns, *apart, strict=True):
        for label in LABELS:
            assert whole.get(label, 0.0) == pytest.approx(sum(part.get(label, 0.0) for part in parts))


def test_the_oldest_leave_the_screen_and_the_figures_keep_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_module, "UTTERANCES_KEPT", 50)
    monkeypatch.setattr(state_module, "_LOT", 10)
    state = SessionState()
    for number in range(200):
        state.apply(final(number, number * 2.0, number * 2.0 + 1, "x"))
        state.apply(emotion(number, LABELS[number % 2], 0.6))
    assert len(state.utterances) <= 60
    assert state.forgotten + len(state.utterances) == 200
    assert state.take_left() == state.forgotten
    assert len(state.shifts_s()) == 199
    assert sum(state.course.totals_s.values()) == pytest.approx(200.0)


def test_histories_are_bounded() -> None:
    state = state_after(start())
    for step in range(2000):
        state.apply_gauges(ScriptedGauges(t_s=step, elapsed_s=step))
        state.apply(final(step, step * 10, step * 10 + 2, "x"))
        state.apply(emotion(step, "joy", 0.5))
    assert len(state.levels.dbfs) <= 600
    assert len(state.course.columns) <= 1024


def test_a_whole_conversation_leaves_the_last_words_open() -> None:
    state = state_after(*conversation())
    assert [u.final for u in state.utterances] == [True] * 7 + [False]
    assert state.newest is state.utterances[6]
    assert sum(state.course.totals_s.values()) == pytest.approx(
        sum(u.end_s - u.start_s for u in state.utterances if u.end_s is not None)
    )
    assert sum(spread("joy", 0.6, "fear").values()) == pytest.approx(1.0)
