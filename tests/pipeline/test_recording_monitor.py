"""Recording switched on and off while a session runs: the demo through the whole chain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.paths import DEMO, DEMO_WORDS

from livemerc.audio.file_source import FileSource
from livemerc.config import Config, load_config
from livemerc.events import EmotionEvent, SessionStart, UtteranceFinal
from livemerc.pipeline.monitor import Monitor
from livemerc.pipeline.recording_monitor import RecordingMonitor
from livemerc.sessions import journal
from livemerc.sessions.folder import AUDIO_FILE, EVENTS_FILE, SESSION_FILE, read_info


def settings(folder: Path) -> Config:
    return load_config(
        None,
        {
            "asr.engine": "transcript",
            "asr.transcript": str(DEMO_WORDS),
            "record.folder": str(folder),
        },
        environ={},
    )


@pytest.fixture
def source() -> Iterator[FileSource]:
    source = FileSource(DEMO, speed=0, name="demo")
    yield source
    source.close()


def test_a_recording_that_begins_later_has_what_was_said_since(source: FileSource, tmp_path: Path) -> None:
    monitor = RecordingMonitor(Monitor(source, settings(tmp_path / "kept")), None)
    assert monitor.recording is None
    later = []
    for event in monitor.events():
        if monitor.recording is not None:
            later.append(event)
        if isinstance(event, UtteranceFinal) and event.utterance_id in ("u5", "u9"):
            said = monitor.toggle_recording()
            assert said.startswith("Recording to" if event.utterance_id == "u5" else "Recording ended")
            if event.utterance_id == "u5":
                assert monitor.recording == "rec"
                later = []
    (folder,) = (tmp_path / "kept").iterdir()
    kept = journal.read(folder)
    assert isinstance(kept.events[0], SessionStart)
    assert [e.utterance_id for e in kept.events if isinstance(e, UtteranceFinal)] == ["u6", "u7", "u8", "u9"]
    judged = {e.utterance_id for e in kept.events if isinstance(e, EmotionEvent)}
    assert judged <= {"u6", "u7", "u8", "u9"}
    assert kept.warnings == []
    assert not (folder / AUDIO_FILE).exists()
    assert "ended" in monitor.toggle_recording()
    assert len(list((tmp_path / "kept").iterdir())) == 1


def test_two_recordings_of_one_session_are_two_folders(source: FileSource, tmp_path: Path) -> None:
    monitor = RecordingMonitor(Monitor(source, settings(tmp_path / "kept")), tmp_path / "first", audio=True)
    assert monitor.recording == "rec + audio"
    for event in monitor.events():
        if isinstance(event, UtteranceFinal) and event.utterance_id == "u3":
            monitor.toggle_recording()
            monitor.toggle_recording()
    first = journal.read(tmp_path / "first")
    (folder,) = (tmp_path / "kept").iterdir()
    second = journal.read(folder)
    finals = [[e.utterance_id for e in j.events if isinstance(e, UtteranceFinal)] for j in (first, second)]
    assert finals == [["u1", "u2", "u3"], [f"u{n}" for n in range(4, 21)]]
    assert second.ended
    assert not first.ended
    assert first.info is not None
    assert second.info is not None
    assert first.info.started_at == second.info.started_at  # the zero of the session's clock
    assert [recorder.stopped for recorder in monitor.recorders] == [None, None]


def test_where_nothing_can_be_recorded_the_session_goes_on(source: FileSource, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file")
    monitor = RecordingMonitor(Monitor(source, settings(tmp_path / "kept")), None)
    said = monitor.toggle_recording()
    assert "nothing can be recorded" in said or "not a folder" in said
    assert monitor.recording is None
    assert sum(isinstance(event, UtteranceFinal) for event in monitor.events()) == 20


def test_a_recording_keeps_when_the_notice_was_shown_also_one_that_begins_later(
    source: FileSource, tmp_path: Path
) -> None:
    monitor = RecordingMonitor(Monitor(source, settings(tmp_path / "kept")), tmp_path / "first", audio=True)
    said = []
    for event in monitor.events():
        if isinstance(event, UtteranceFinal) and event.utterance_id in ("u2", "u4"):
            said.append(monitor.notice_shown())
        if isinstance(event, UtteranceFinal) and event.utterance_id in ("u3", "u5"):
            monitor.toggle_recording()
    first = read_info(tmp_path / "first")
    (folder,) = (tmp_path / "kept").iterdir()
    later = read_info(folder)
    assert said[0] == "The notice is shown, and the recording keeps when"
    assert "nothing is being recorded" in said[1]
    assert (len(first.notice_shown_at), len(later.notice_shown_at)) == (1, 2)
    assert later.notice_shown_at[0] == first.notice_shown_at[0]
    assert first.audio is not None
    assert (tmp_path / "first" / SESSION_FILE).stat().st_mode & 0o777 == 0o600
    assert {path.name for path in (tmp_path / "first").iterdir()} == {AUDIO_FILE, EVENTS_FILE, SESSION_FILE}


def test_a_folder_that_takes_no_time_of_the_notice_costs_nothing_else(source: FileSource, tmp_path: Path) -> None:
    monitor = RecordingMonitor(Monitor(source, settings(tmp_path)), tmp_path / "first")
    (tmp_path / "first" / ".session.json").mkdir()
    before = (tmp_path / "first" / SESSION_FILE).read_bytes()
    said = [monitor.notice_shown() for event in monitor.events() if isinstance(event, SessionStart)]
    assert "does not take the time" in said[0]
    assert (tmp_path / "first" / SESSION_FILE).read_bytes() == before
    assert journal.read(tmp_path / "first").ended
