"""A long file's session that is killed goes on where it was: nothing is lost, nothing comes twice."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import av
import pytest
from helpers.command_line import livemerc, sentence, start
from helpers.paths import DEMO, DEMO_WORDS

RUN = ("run", "--file", DEMO, "--transcript", DEMO_WORDS, "--speed", "0", "--json")

Events = list[dict[str, Any]]


def recorded(folder: Path) -> Events:
    lines = (folder / "events.jsonl").read_bytes().split(b"\n")
    assert lines.pop() == b""
    return [json.loads(line) for line in lines]


def of(events: Events, kind: str) -> Events:
    return [event for event in events if event["type"] == kind]


def keeps_the_contract(events: Events) -> None:
    """One session; each utterance: one final, one provisional first, one frozen last, no revision twice."""
    assert [event["type"] for event in (events[0], events[-1])] == ["session.start", "session.end"]
    assert len(of(events, "session.start")) == len(of(events, "session.end")) == 1
    ids = [final["utterance_id"] for final in of(events, "utterance.final")]
    assert ids == [f"u{number}" for number in range(1, len(ids) + 1)]
    assert events[-1]["utterances"] == len(ids)
    for name in ids:
        emotions = [event for event in of(events, "emotion") if event["utterance_id"] == name]
        assert [event["revision"] for event in emotions] == list(range(len(emotions)))
        assert emotions[0]["status"] == "provisional"
        assert [event["status"] for event in emotions[1:]] == ["revised"] * (len(emotions) - 2) + ["frozen"]
    times_s = [status["t_s"] for status in of(events, "status")]
    assert times_s == sorted(times_s)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The session that nobody killed."""
    folder = tmp_path_factory.mktemp("whole") / "session"
    assert livemerc(*RUN, "--record", folder, "--record-audio").returncode == 0
    return folder


def cut(whole: Path, folder: Path, finals: int, more: int, tail: bytes = b"") -> Events:
    """As a kill leaves it: everything up to so many finals and `more` events behind; then half a line."""
    shutil.copytree(whole, folder)
    lines = (whole / "events.jsonl").read_bytes().splitlines(keepends=True)
    at = [number for number, line in enumerate(lines) if b'"utterance.final"' in line]
    kept = lines[: (at[finals - 1] + 1 + more) if finals else 1]
    (folder / "events.jsonl").write_bytes(b"".join(kept) + tail)
    audio = folder / "audio.flac"
    audio.write_bytes(audio.read_bytes()[:10_000])
    return [json.loads(line) for line in kept]


@pytest.mark.parametrize(("finals", "more", "tail"), [(0, 0, b""), (1, 0, b""), (7, 1, b'{"type":"emo'), (20, 2, b"x")])
def test_a_session_that_was_cut_anywhere_goes_on_to_the_same_end(whole, tmp_path, finals, more, tail):
    folder = tmp_path / "session"
    before = cut(whole, folder, finals, more, tail)
    done = livemerc(*RUN, "--record", folder, "--resume")
    assert done.returncode == 0, done.stderr.decode()
    events = recorded(folder)
    assert events[: len(before)] == before
    keeps_the_contract(events)
    for now, then in zip(of(events, "utterance.final"), of(recorded(whole), "utterance.final"), strict=True):
        assert now == then
    frozen = [
        {e["utterance_id"]: e["label"] for e in of(recorded(f), "emotion") if e["status"] == "frozen"}
        for f in (folder, whole)
    ]
    assert frozen[0] == frozen[1]
    with av.open(str(folder / "audio.flac")) as audio:  # whole again, though what the kill had left was not
        assert audio.duration / 1e6 == pytest.approx(events[-1]["duration_s"], abs=0.1)
    printed = [json.loads(line) for line in done.stdout.splitlines()]
    assert printed[0]["started_at"] == before[0]["started_at"]
    assert [event for event in printed[1:] if event in before] == []


def test_killed_again_and_again_it_still_comes_to_its_end(tmp_path):
    folder = tmp_path / "session"
    for finals in (3, 4, 2):
        with start(*RUN, "--record", folder, "--resume") as process:
            assert process.stdout is not None
            for line in process.stdout:
                finals -= b'"utterance.final"' in line
                if not finals:
                    break
            process.kill()
    assert livemerc(*RUN, "--record", folder, "--resume").returncode == 0
    events = recorded(folder)
    keeps_the_contract(events)
    words = " ".join(final["text"] for final in of(events, "utterance.final")).split()
    said = livemerc("export", folder, "--format", "csv")
    assert said.returncode == 0
    assert Counter(words) == Counter(word for line in said_in(DEMO_WORDS) for word in line.split())


def said_in(path: Path) -> list[str]:
    from livemerc.asr.sidecar import read_cues

    return [cue.text for cue in read_cues(path)]


def test_a_session_that_came_to_its_end_has_nothing_to_resume(whole):
    before = (whole / "events.jsonl").read_bytes()
    done = livemerc(*RUN, "--record", whole, "--resume")
    assert done.returncode == 0
    assert "came to its end" in sentence(done)
    assert (whole / "events.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--context", "8"), "dialogue.context was 32, and is 8 now"),
        (("--text-only",), "--text-only is not as it was"),
        (("--vad", "webrtc"), "vad.engine was silero, and is webrtc now"),
        (("--purpose", "work"), "purpose was personal, and is work now"),
    ],
)
def test_another_way_of_judging_does_not_go_on_with_it(whole, tmp_path, flags, says):
    cut(whole, tmp_path / "session", 3, 0)
    done = livemerc(*RUN, *flags, "--record", tmp_path / "session", "--resume")
    assert done.returncode == 2
    assert says in sentence(done)


def test_another_file_does_not_go_on_with_it(whole, tmp_path):
    cut(whole, tmp_path / "session", 3, 0)
    other = shutil.copy(DEMO, tmp_path / "other.flac")
    done = livemerc("run", "--file", other, "--record", tmp_path / "session", "--resume", "--json")
    assert done.returncode == 2
    assert "a session of file:demo.flac, not of file:other.flac" in sentence(done)


@pytest.mark.parametrize("flags", [("--resume",), ("--resume", "--record", "x", "--stdin")])
def test_what_cannot_be_heard_again_cannot_be_resumed(flags):
    source = () if "--stdin" in flags else ("--file", DEMO)
    done = livemerc("run", *source, *flags, "--json")
    assert done.returncode == 2
    assert "--resume goes with --file PATH and --record DIR" in sentence(done)
