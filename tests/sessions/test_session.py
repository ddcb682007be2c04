"""A recorded session as export, report, compare and label see it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from helpers.sessions import conversation, emotion, write_session

from livemerc.errors import InputError
from livemerc.events import MicState, SessionEnd, Status, UtteranceFinal
from livemerc.sessions.corrections import CORRECTIONS_FILE
from livemerc.sessions.session import Gap, Stretch, read_session


def _with_status(folder: Path, *statuses: Status) -> Path:
    events = conversation(2)
    return write_session(folder, [*events[:-1], *statuses, *events[-1:]])


def test_every_utterance_has_its_final_and_its_estimates_in_order(tmp_path: Path) -> None:
    session = read_session(write_session(tmp_path / "s", conversation(4, text="words")))
    assert [u.utterance_id for u in session.utterances] == ["u1", "u2", "u3", "u4"]
    assert [u.text for u in session.utterances] == [f"words {n}" for n in (1, 2, 3, 4)]
    for utterance in session.utterances:
        statuses = [e.status for e in utterance.estimates]
        assert (statuses[0], statuses[-1]) == ("provisional", "frozen")
        assert utterance.label == utterance.estimates[-1].label
    assert session.ended
    assert not session.growing
    assert session.warnings == []


def test_partial_estimates_and_emotions_of_unknown_utterances_are_left_out(tmp_path: Path) -> None:
    events = conversation(1)
    events[1:1] = [emotion(1, "partial"), emotion(9, "provisional")]
    session = read_session(write_session(tmp_path / "s", events))
    assert [u.utterance_id for u in session.utterances] == ["u1"]
    assert all(e.status != "partial" for e in session.utterances[0].estimates)


def test_utterances_are_ordered_by_time_whatever_order_the_finals_came_in(tmp_path: Path) -> None:
    events = conversation(3)
    finals = [e for e in events if isinstance(e, UtteranceFinal)]
    rest = [e for e in events[:-1] if not isinstance(e, UtteranceFinal)]
    session = read_session(write_session(tmp_path / "s", [*rest[:1], *reversed(finals), *rest[1:], *events[-1:]]))
    assert [u.utterance_id for u in session.utterances] == ["u1", "u2", "u3"]


def test_a_second_final_of_an_id_is_told_of_and_the_first_is_kept(tmp_path: Path) -> None:
    events = conversation(1)
    final = next(e for e in events if isinstance(e, UtteranceFinal))
    session = read_session(
        write_session(tmp_path / "s", [*events[:-1], msgspec.structs.replace(final, text="again"), *events[-1:]])
    )
    assert [u.text for u in session.utterances] == ["words 1"]
    assert any("twice" in warning for warning in session.warnings)


def test_late_words_are_the_text_and_no_longer_gated(tmp_path: Path) -> None:
    events = conversation(1, text="")
    changed = [
        msgspec.structs.replace(e, text="", asr=msgspec.structs.replace(e.asr, gated="behind"))
        if isinstance(e, UtteranceFinal)
        else e
        for e in events
    ]
    before = read_session(write_session(tmp_path / "a", changed)).utterances[0]
    assert (before.text, before.gated) == ("", "behind")
    late = msgspec.structs.replace(emotion(1, "revised", revision=5), late_text="so late")
    after = read_session(write_session(tmp_path / "b", [*changed[:-1], late, *changed[-1:]])).utterances[0]
    assert (after.text, after.gated) == ("so late", None)


def test_corrections_take_precedence_field_by_field_and_can_be_taken_back(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", conversation(2))
    lines = [
        '{"utterance_id":"u1","text":"mended","emotion":"anger"}',
        '{"utterance_id":"u1","speaker":"Ann"}',
        '{"utterance_id":"u2","emotion":"fear"}',
        '{"utterance_id":"u2","emotion":null,"text":""}',
        "{broken",
    ]
    (folder / CORRECTIONS_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    session = read_session(folder)
    first, second = session.utterances
    assert (first.text, first.speaker, first.label, first.confidence) == ("mended", "Ann", "anger", None)
    assert first.heard_text == "words 1"
    assert second.estimate is not None
    assert (second.text, second.speaker, second.label) == ("", None, second.estimate.label)
    assert second.confidence is not None
    assert [w for w in session.warnings if "line 5" in w]
    assert [u.text for u in read_session(folder, corrected=False).utterances] == ["words 1", "words 2"]


def test_gaps_and_bad_stretches_come_from_the_statuses(tmp_path: Path) -> None:
    def status(t_s: float, dropped_s: float = 0.0, degraded: str | None = None, ok: bool = True) -> Status:
        mic = MicState(ok=ok, why=None if ok else "silent")
        return Status(t_s=t_s, lag_s=0.0, queued={}, dropped_s=dropped_s, degraded=degraded, mic=mic)

    session = read_session(
        _with_status(
            tmp_path / "s",
            status(50.0),
            status(51.0, dropped_s=1.5, degraded="slow"),
            status(52.0, dropped_s=1.5, degraded="slow", ok=False),
            status(53.0, dropped_s=2.0, degraded="slower"),
            status(54.0, dropped_s=2.0),
        )
    )
    assert session.gaps == [Gap(51.0, 1.5), Gap(53.0, 0.5)]
    assert session.lost_s == 2.0
    assert session.degraded == [Stretch(51.0, 53.0, "slow"), Stretch(53.0, 54.0, "slower")]
    assert session.microphone == [Stretch(52.0, 53.0, "silent")]


def test_an_empty_session_and_one_cut_short_are_read(tmp_path: Path) -> None:
    empty = read_session(
        write_session(tmp_path / "empty", [conversation(0)[0], SessionEnd(duration_s=3.0, utterances=0)])
    )
    assert (empty.utterances, empty.duration_s, empty.ended) == ([], 3.0, True)
    cut = read_session(write_session(tmp_path / "cut", conversation(3)[:-1]))
    assert not cut.ended
    assert len(cut.utterances) == 3


def test_a_folder_without_a_session_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no session"):
        read_session(tmp_path)
