"""Who spoke, in a recording: what was told last counts, wherever a session is read."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import msgspec
from helpers.sessions import conversation, write_session

from livemerc.console.plain import PlainPrinter
from livemerc.dashboard.state.on_screen import events_on_screen
from livemerc.dashboard.state.session import SessionState
from livemerc.dashboard.state.speakers import heard_speakers
from livemerc.events import Event, SpeakerName, SpeakerStatus, UtteranceFinal, UtteranceSpeaker, decode, encode
from livemerc.export import export
from livemerc.export.turns import rttm
from livemerc.report import html
from livemerc.sessions.annotation import Annotation
from livemerc.sessions.corrections import read_corrections
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
    printer = PlainPrinter(sys.stdout)
    for event in told_apart():
        printer.write(event)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[1] for line in lines[:2]] == ["S1", "S1"]


def test_the_event_comes_back_as_it_was_written() -> None:
    event = who("u1.2", None, 3, "frozen")
    assert decode(encode(event)) == event
    assert encode(event).startswith(b'{"type":"utterance.speaker"')


def named() -> list[Event]:
    """The same; S1 is called Ann, then Bea, and whoever is S2 for a while has a name, too."""
    events = told_apart()
    at = next(i for i, event in enumerate(events) if isinstance(event, UtteranceFinal) and event.utterance_id == "u2")
    events[at:at] = [SpeakerName(speaker="S1", name="Ann"), SpeakerName(speaker="S2", name="Cem")]
    return [*events[:-1], SpeakerName(speaker="S1", name="Bea"), events[-1]]


def test_every_reader_follows_the_last_name(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "session", named())
    session = read_session(folder)
    assert not session.warnings
    assert [utterance.speaker for utterance in session.utterances] == ["Bea", "Bea", None]
    assert [utterance.final.speaker for utterance in session.utterances] == ["S1", "S1", None]
    assert [line.split()[7] for line in rttm(session).decode().splitlines()] == ["Bea", "Bea", "unknown"]
    for kind in ("vtt", "csv", "emotionml", "textgrid"):
        data = export(folder, kind).data.decode()
        assert "Bea" in data
        assert "Ann" not in data
    page = html(session)
    assert "Bea" in page
    assert "Ann" not in page
    state = SessionState()
    for event in named():
        state.apply(event)
    assert [utterance.speaker for utterance in state.utterances] == ["Bea", "Bea", None]
    assert state.speakers == set(state.courses) == {"Bea"}
    assert [(one.speaker, one.shown, one.utterances) for one in heard_speakers(state.utterances)] == [("S1", "Bea", 2)]
    moved = state.copy()
    moved.apply(SpeakerName(speaker="S1", name=None))
    assert [utterance.speaker for utterance in moved.utterances] == ["S1", "S1", None]
    assert [utterance.speaker for utterance in state.utterances] == ["Bea", "Bea", None]
    spoken = [event.speaker for event in events_on_screen(state) if isinstance(event, UtteranceFinal)]
    assert spoken == ["Bea", "Bea", None]


def test_two_ids_of_one_name_are_one_speaker(tmp_path: Path) -> None:
    events = [*conversation(2, ends=False)]
    for at, event in enumerate(events):
        if isinstance(event, UtteranceFinal):
            events[at] = msgspec.structs.replace(event, speaker=f"S{event.utterance_id[1:]}")
    events += [SpeakerName(speaker="S1", name="Ann"), SpeakerName(speaker="S2", name="Ann")]
    session = read_session(write_session(tmp_path / "session", events))
    assert [utterance.speaker for utterance in session.utterances] == ["Ann", "Ann"]
    state = SessionState()
    for event in events:
        state.apply(event)
    assert state.speakers == set(state.courses) == {"Ann"}


def test_a_persons_correction_counts_more_and_the_name_is_no_correction(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "session", named())
    annotation = Annotation(folder)
    assert annotation.speakers == ["Bea"]
    assert annotation.set_speaker("Bea")
    assert not read_corrections(folder)[0]
    assert annotation.set_speaker("Dee")
    assert [utterance.speaker for utterance in read_session(folder).utterances] == ["Dee", "Bea", None]
    assert annotation.set_speaker("Bea")
    assert [utterance.speaker for utterance in read_session(folder).utterances] == ["Bea", "Bea", None]


def test_an_anonymised_report_has_neither_name_nor_id(tmp_path: Path) -> None:
    page = html(read_session(write_session(tmp_path / "session", named())), anonymise=True)
    assert "Speaker 1" in page
    for name in ("Ann", "Bea", "S1"):
        assert not re.search(rf"\b{name}\b", page)


def test_plain_lines_have_the_name_that_was_known_when_the_label_settled(capsys) -> None:
    printer = PlainPrinter(sys.stdout)
    for event in named():
        printer.write(event)
    assert [line.split("  ")[1] for line in capsys.readouterr().out.splitlines()[:2]] == ["Ann", "Ann"]


def test_the_name_comes_back_as_it_was_written() -> None:
    for name in ("Ann", None):
        event = SpeakerName(speaker="S1", name=name)
        assert decode(encode(event)) == event
        assert encode(event).startswith(b'{"type":"speaker.name"')
