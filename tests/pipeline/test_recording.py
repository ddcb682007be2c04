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
from livemerc.pipeline.recording import RecordingMonitor
from livemerc.sessions import journal
from livemerc.sessions.folder import AUDIO_FILE


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
