"""Who spoke, in a recording: what was told last counts, wherever a session is read."""

from __future__ import annotations

from pathlib import Path

from helpers.sessions import conversation, write_session

from livemerc.console.plain import PlainPrinter
from livemerc.dashboard.state.session import SessionState
from livemerc.events import Event, SpeakerStatus, UtteranceFinal, UtteranceSpeaker, decode, encode
from livemerc.export.turns import rttm
from livemerc.sessions.session import read_session


def who(utterance: str, speaker: str | None, revision: int, status: SpeakerStatus) -> UtteranceSpeaker:
    return UtteranceSpeaker(utterance_id=utterance, speaker=speaker, confidence=0.8, revision=revision, status=status)


def told_apart() -> list[Event]:
    """Three utterances: S1; S2, who turns out to be S1; and nobody known."""
    events: list[Event] = []
    for event in conversation(3):
        events.append(event)
        if isinstance(event, UtteranceFinal):
            first = {"u1": "S1", "u2": "S2", "u3": None}[event.utterance_id]
            events.append(who(event.utterance_id, first, 0, "provisional"))
            if event.utterance_id == "u3":
                events.append(who("u2", "S1", 1, "revised"))
    end = events.pop()
    return [*events, who("u1", "S1", 1, "frozen"), who("u2", "S1", 2, "frozen"), who("u3", None, 1, "frozen"), end]


def test_a_session_has_the_speakers_that_were_told_last(tmp_path: Path) -> None:
    session = read_session(write_session(tmp_path / "session", told_apart()))
    assert not session.warnings
    assert [utterance.speaker for utterance in session.utterances] == ["S1", "S1", None]
    lines = rttm(session).decode().splitlines()
    assert [line.split()[7] for line in lines] == ["S1", "S1", "unknown"]


def test_the_screen_has_them_too_and_forgets_who_was_nobody() -> None:
    state = SessionState()
    for event in told_apart():
        state.apply(event)
    assert [utterance.speaker for utterance in state.utterances] == ["S1", "S1", None]
    assert state.speakers == set(state.courses) == {"S1"}


def test_plain_lines_name_whoever_was_known_when_the_label_settled(capsys) -> None:
    import sys

    printer = PlainPrinter(sys.stdout)
    for event in told_apart():
        printer.write(event)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[1] for line in lines[:2]] == ["S1", "S1"]


def test_the_event_comes_back_as_it_was_written() -> None:
    event = who("u1.2", None, 3, "frozen")
    assert decode(encode(event)) == event
    assert encode(event).startswith(b'{"type":"utterance.speaker"')
