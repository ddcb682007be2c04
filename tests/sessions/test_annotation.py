"""A person's pass without the screen: what counts is on the disk, and nothing else does."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from helpers.command_line import environment
from helpers.paths import PROJECT
from helpers.sessions import HOSTILE, conversation, write_session

from livemerc.errors import InputError
from livemerc.events import EmotionEvent, UtteranceFinal
from livemerc.sessions.annotation import Annotation
from livemerc.sessions.corrections import CORRECTIONS_FILE, Correction, append_correction, read_corrections
from livemerc.sessions.folder import EVENTS_FILE
from livemerc.sessions.session import read_session


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_session(tmp_path / "s", conversation(5))


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / CORRECTIONS_FILE).read_text().splitlines()]


def test_every_change_is_on_the_disk_at_once_and_the_events_stay_as_they_were(folder: Path) -> None:
    before = (folder / EVENTS_FILE).read_bytes()
    a = Annotation(folder)
    assert a.set_emotion("anger")
    assert [(line["utterance_id"], line["emotion"]) for line in lines(folder)] == [("u1", "anger")]
    assert a.set_text(HOSTILE)
    assert a.set_speaker("Zoë")
    assert a.labelled == 1
    again = read_session(folder).utterances[0]
    assert (again.label, again.text, again.speaker, again.confidence) == ("anger", HOSTILE, "Zoë", None)
    assert (folder / EVENTS_FILE).read_bytes() == before
    assert stat.S_IMODE((folder / CORRECTIONS_FILE).stat().st_mode) == 0o600


def test_what_is_as_it_was_writes_nothing(folder: Path) -> None:
    a = Annotation(folder)
    assert a.set_text("words 1")
    assert a.set_speaker("")
    assert a.take_label_back()
    assert not (folder / CORRECTIONS_FILE).exists()
    a.set_emotion("joy")
    a.set_emotion("joy")
    assert len(lines(folder)) == 1


def test_undo_takes_back_change_by_change_also_over_what_an_earlier_sitting_said(folder: Path) -> None:
    append_correction(folder, Correction(utterance_id="u2", emotion="fear", text="mended"))
    a = Annotation(folder)
    a.set_emotion("joy")
    a.move(1)
    a.set_nothing_to_judge()
    a.set_text("words 2")  # as it was heard
    assert (a.current.labelled, a.current.nothing_to_judge, a.current.text) == (True, True, "words 2")
    assert a.undo()
    assert a.current.text == "mended"
    a.go(4)
    assert a.undo()
    assert (a.index, a.current.corrected_emotion, a.current.nothing_to_judge) == (1, "fear", False)
    assert a.undo()
    assert (a.index, a.current.labelled) == (0, False)
    assert not a.undo()
    assert a.trouble == "nothing to undo"
    kept = {u.utterance_id: (u.corrected_emotion, u.text) for u in read_session(folder).utterances}
    assert kept["u1"] == (None, "words 1")
    assert kept["u2"] == ("fear", "mended")


def test_nothing_to_judge_and_an_emotion_exclude_each_other(folder: Path) -> None:
    a = Annotation(folder)
    a.set_nothing_to_judge()
    said = read_session(folder).utterances[0]
    assert (said.labelled, said.corrected_emotion, said.abstained) == (True, None, "nothing to judge")
    a.set_emotion("fear")
    said = read_session(folder).utterances[0]
    assert (said.nothing_to_judge, said.label, said.abstained) == (False, "fear", None)
    a.take_label_back()
    assert not read_session(folder).utterances[0].labelled


def test_the_models_label_is_confirmed_where_there_is_one(tmp_path: Path) -> None:
    events = [e for e in conversation(2) if not (isinstance(e, EmotionEvent) and e.utterance_id == "u2")]
    a = Annotation(write_session(tmp_path / "s", events))
    assert a.confirm()
    assert a.current.corrected_emotion == a.current.estimate.label  # type: ignore[union-attr]
    a.next_open()
    assert a.current.utterance_id == "u2"
    assert not a.confirm()
    assert a.trouble is not None
    assert a.labelled == 1


def test_the_least_certain_come_first_and_those_without_a_label_next(tmp_path: Path) -> None:
    events = conversation(4)
    confidence = {"u1": 0.9, "u2": 0.4, "u3": 0.6, "u4": 0.8}
    changed = [
        msgspec.structs.replace(
            e, confidence=confidence[e.utterance_id], abstained="short" if e.utterance_id == "u4" else None
        )
        if isinstance(e, EmotionEvent)
        else e
        for e in events
    ]
    a = Annotation(write_session(tmp_path / "s", changed))
    a.change_order()
    assert [a.utterances[i].utterance_id for i in a.order] == ["u4", "u2", "u3", "u1"]
    assert a.current.utterance_id == "u4"
    a.set_emotion("joy")
    assert a.next_open()
    assert a.current.utterance_id == "u2"
    a.change_order()
    assert (a.current.utterance_id, a.by_time) == ("u2", True)
    for _ in range(3):
        a.set_emotion("fear")
        a.next_open()
    assert a.labelled == 4
    assert not a.next_open()


def test_it_begins_at_the_first_utterance_without_a_label(folder: Path) -> None:
    a = Annotation(folder)
    a.set_emotion("joy")
    assert Annotation(folder).current.utterance_id == "u2"


@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
def test_what_cannot_be_saved_is_not_there(folder: Path, tmp_path: Path, kind: str) -> None:
    a = Annotation(folder)
    there = folder / CORRECTIONS_FILE
    if kind == "folder":
        there.mkdir()
    elif kind == "link":
        (tmp_path / "elsewhere").write_bytes(b"")
        there.symlink_to(tmp_path / "elsewhere")
    else:
        os.mkfifo(there)
    assert not a.set_emotion("joy")
    assert a.trouble is not None
    assert a.trouble.startswith("NOT SAVED")
    assert (a.labelled, a.current.corrected_emotion) == (0, None)
    if kind == "link":
        assert (tmp_path / "elsewhere").read_bytes() == b""


def test_a_disk_that_fills_up_in_the_middle_of_a_line_leaves_the_file_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = Annotation(folder)
    a.set_emotion("joy")
    before = (folder / CORRECTIONS_FILE).read_bytes()
    real = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) <= 10:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data[: len(data) - 10])

    monkeypatch.setattr(os, "write", full)
    assert not a.set_text("a great many words")
    assert a.trouble is not None
    assert "No space left" in a.trouble
    assert a.current.text == "words 1"
    assert (folder / CORRECTIONS_FILE).read_bytes() == before
    monkeypatch.undo()
    assert a.set_text("a great many words")
    assert a.trouble is None
    assert read_session(folder).utterances[0].text == "a great many words"


def test_a_line_that_a_crash_cut_short_spoils_no_other(folder: Path) -> None:
    (folder / CORRECTIONS_FILE).write_bytes(b'{"utterance_id":"u1","emot')
    append_correction(folder, Correction(utterance_id="u1", emotion="joy"))
    corrections, warnings = read_corrections(folder)
    assert corrections["u1"].emotion == "joy"
    assert len(warnings) == 1


def test_a_killed_pass_has_lost_nothing(folder: Path) -> None:
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom livemerc.sessions.annotation import Annotation\n"
        f"a = Annotation(Path({str(folder)!r}))\n"
        "for label in ('joy', 'fear', 'anger'):\n    assert a.set_emotion(label)\n    a.next_open()\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=environment(), timeout=60, check=False)
    assert done.returncode == -9
    assert [u.corrected_emotion for u in read_session(folder).utterances][:3] == ["joy", "fear", "anger"]


def test_what_cannot_be_labelled_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give the session's folder"):
        Annotation(folder / EVENTS_FILE)
    with pytest.raises(InputError, match="nothing to label"):
        Annotation(write_session(tmp_path / "empty", conversation(0)))
    with (folder / EVENTS_FILE).open("ab") as writing:
        fcntl.flock(writing, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(InputError, match="still being recorded"):
            Annotation(folder)


def test_speakers_are_offered_the_most_frequent_first(tmp_path: Path) -> None:
    events = [
        msgspec.structs.replace(e, speaker="Ann" if e.utterance_id == "u1" else "Ben")
        if isinstance(e, UtteranceFinal)
        else e
        for e in conversation(3)
    ]
    a = Annotation(write_session(tmp_path / "s", events))
    assert a.speakers == ["Ben", "Ann"]
    a.set_speaker("Cleo")
    assert a.speakers == ["Ben", "Cleo"]


def test_a_folder_that_cannot_be_written_is_said_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # whoever runs the tests may write everywhere
    trouble = Annotation(folder).trouble
    assert trouble is not None
    assert "nothing will be saved" in trouble
