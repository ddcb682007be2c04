"""The one place that prints events: a reader that leaves, an output that is full, what is said beside them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.command_line import environment, livemerc, sentence, start
from helpers.sessions import conversation, write_session

from livemerc.events import Status, encode

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX pipes and devices")


@pytest.fixture
def call(tmp_path: Path) -> Path:
    return write_session(tmp_path / "call", conversation(3))


def test_json_is_json_lines_and_nothing_else(checkpoint: Path) -> None:
    done = livemerc("run", "--demo", "--speed", "0", "--asr", "none", "--checkpoint", checkpoint, "--json")
    assert done.returncode == 0, done.stderr
    types = [json.loads(line)["type"] for line in done.stdout.splitlines()]
    assert types[0] == "session.start"
    assert types[-1] == "session.end"
    assert types.count("session.start") == types.count("session.end") == 1
    assert "ASR: none" in sentence(done)


def test_without_a_terminal_settled_labels_are_lines(checkpoint: Path) -> None:
    done = livemerc("run", "--demo", "--speed", "0", "--asr", "transcript", "--checkpoint", checkpoint)
    assert done.returncode == 0, done.stderr
    assert b"Good morning" in done.stdout.splitlines()[0]
    assert b"\x1b" not in done.stdout


@posix
@pytest.mark.parametrize("output", ["--json", "--plain"])
def test_a_reader_that_leaves_ends_the_session_quietly(checkpoint: Path, output: str) -> None:
    arguments = ("--demo", "--speed", "0", "--asr", "transcript", "--checkpoint", checkpoint)
    with start("run", *arguments, output) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read().decode()
        assert process.wait(60) == 0, said
    assert "Traceback" not in said
    assert "Broken pipe" not in said


@pytest.mark.parametrize("command", [("replay", "--speed", "0"), ("watch",)])
def test_json_is_what_was_recorded_byte_for_byte(call: Path, command: tuple[str, ...]) -> None:
    done = livemerc(*command, call, "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"".join(encode(event) + b"\n" for event in conversation(3))


@pytest.mark.parametrize("command", [("replay", "--speed", "0"), ("watch",)])
def test_without_a_terminal_a_line_is_printed_for_each_settled_label(call: Path, command: tuple[str, ...]) -> None:
    done = livemerc(*command, call)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 3
    assert b'neutral .15  "words 1"' in done.stdout
    assert b"00:30 of audio, 3 utterances" in done.stderr


def test_a_degraded_part_of_a_recording_is_told_in_plain_lines_alone(tmp_path: Path) -> None:
    ill = Status(t_s=30.5, lag_s=9.0, queued={}, degraded="words later")
    folder = write_session(tmp_path / "call", [*conversation(3, ends=False), ill])
    assert b"degraded" not in livemerc("replay", folder, "--speed", "0", "--json").stderr
    assert b"livemerc" in livemerc("replay", folder, "--speed", "0", "--plain").stderr
    assert b"00:30  degraded: words later" in livemerc("replay", folder, "--speed", "0", "--plain").stderr


@posix
@pytest.mark.parametrize("output", ["--json", "--plain"])
@pytest.mark.parametrize("command", [("replay", "--speed", "0"), ("watch",)])
def test_an_output_that_is_full_is_one_sentence_and_exit_code_6(
    call: Path, command: tuple[str, ...], output: str
) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "livemerc", *command, str(call), output],
            stdout=full, stderr=subprocess.PIPE, env=environment(), timeout=120, check=False,
        )  # fmt: skip
    assert done.returncode == 6
    last = done.stderr.decode().splitlines()[-1]
    assert last == (
        "livemerc: standard output cannot be written (No space left on device); free space there, or send it "
        "somewhere else."
    )
    assert b"Traceback" not in done.stderr


@posix
@pytest.mark.parametrize("output", ["--json", "--plain"])
def test_a_reader_that_leaves_ends_a_replay_that_waits(tmp_path: Path, output: str) -> None:
    folder = write_session(tmp_path / "call", conversation(5, every_s=1000.0))
    with start("replay", folder, "--from", "1100", output) as replaying:
        assert replaying.stdout is not None
        assert replaying.stderr is not None
        replaying.stdout.readline()
        replaying.stdout.close()
        assert replaying.wait(60) == 0  # the next event is due in a quarter of an hour
        said = replaying.stderr.read().decode()
    assert "Traceback" not in said
    assert "Broken pipe" not in said


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--from", "1:60"), 2, "--from 1:60: not a time; write 12:30 (minutes:seconds), 1:02:03 or plain seconds."),
        (("--from", "90:00"), 2, "--from 1:30:00: the session ends at 00:30; begin before."),
        (("--speed", "0.1"), 2, "--speed of a replay is 0.5 to 100, or 0 for as fast as it goes."),
        (("--json", "--plain"), 2, "--json and --plain exclude each other; choose one."),
    ],
)
def test_what_cannot_be_replayed_is_one_sentence(call: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    done = livemerc("replay", call, *arguments)
    assert (done.returncode, done.stdout) == (code, b"")
    assert sentence(done) == f"livemerc: {said}"


def test_watching_waits_aloud_and_says_what_broke_off(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "call", conversation(2, ends=False))
    done = livemerc("watch", folder, "--plain")
    assert done.returncode == 0
    assert b"livemerc: warning: The recording broke off" in done.stderr
    done = livemerc("watch", tmp_path / "absent" / "call", "--plain")
    assert done.returncode == 5
    assert "the folder above it is not there" in sentence(done)
