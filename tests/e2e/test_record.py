"""`run --record`, `replay` and `sessions` as a user starts them."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from e2e.kills import agrees, kill_once
from helpers.command_line import environment, livemerc, sentence
from helpers.paths import DEMO, DEMO_WORDS
from helpers.settled import settled_lines

from livemerc.audio.read import read_samples
from livemerc.console.plain import PlainPrinter
from livemerc.events import SessionEnd, UtteranceFinal, decode
from livemerc.sessions import journal
from livemerc.sessions.folder import AUDIO_FILE, EVENTS_FILE, read_info

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals, modes and limits of POSIX")


def events(lines: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.splitlines()]


def begun(*arguments: str | Path) -> subprocess.Popen[bytes]:
    """The demo, running; a context manager that waits for it."""
    command = [sys.executable, "-m", "livemerc", "run", "--demo", "--asr", "transcript", "--json", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """The demo, recorded with audio, and what `--json` printed meanwhile."""
    folder = tmp_path_factory.mktemp("sessions") / "demo"
    done = livemerc(
        "run", "--demo", "--speed", "0", "--asr", "transcript", "--json", "--record", folder, "--record-audio"
    )
    assert done.returncode == 0, done.stderr
    assert f"recording to {folder} (events and audio)" in done.stderr.decode()
    return folder, done.stdout


def test_the_journal_is_what_json_printed(demo: tuple[Path, bytes]) -> None:
    folder, printed = demo
    assert (folder / EVENTS_FILE).read_bytes() == printed
    info = read_info(folder)
    start = events(printed)[0]
    assert info.checkpoint.sha256 == start["checkpoint"]["sha256"]
    assert info.source == start["source"] == "demo"
    assert (info.consent, info.retention_days) == ("not recorded", None)


def test_the_recorded_audio_is_what_was_heard(demo: tuple[Path, bytes]) -> None:
    recorded = read_samples(demo[0] / AUDIO_FILE, 16_000)
    assert (recorded == read_samples(DEMO, 16_000)).all()


@posix
def test_a_recorded_folder_is_private(demo: tuple[Path, bytes]) -> None:
    assert stat.S_IMODE(demo[0].stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in demo[0].iterdir()} == {0o600}


def test_replay_gives_the_same_events_in_the_same_order(demo: tuple[Path, bytes]) -> None:
    folder, printed = demo
    for how in (("--speed", "0"), ("--speed", "100", "--from", "1:00")):
        done = livemerc("replay", folder, "--json", *how)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout == printed


def test_replay_in_plain_lines_is_the_plain_session(demo: tuple[Path, bytes]) -> None:
    done = livemerc("replay", demo[0], "--speed", "100")
    lines, log = io.StringIO(), io.StringIO()
    printer = PlainPrinter(lines, log)
    for line in demo[1].splitlines():
        printer.write(decode(line))
    assert done.returncode == 0
    assert done.stdout.decode() == lines.getvalue()
    assert done.stderr.decode() == log.getvalue()
    assert len(done.stdout.splitlines()) == 20


def test_sessions_lists_it(demo: tuple[Path, bytes]) -> None:
    done = livemerc("sessions", demo[0].parent)
    assert (done.returncode, done.stderr) == (0, b"")
    heads, row = done.stdout.decode().splitlines()
    assert heads.split() == ["session", "started", "length", "utterances", "audio", "state", "source"]
    assert row.split()[0] == "demo"
    assert row.split()[3:] == ["01:15", "20", "yes", "whole", "demo"]


def test_the_real_call_replays_as_it_was(shared_data: Path, tmp_path: Path) -> None:
    call = shared_data / "speech/call/sample.flac"
    done = livemerc(
        "run", "--file", call, "--speed", "0", "--transcript", call.with_suffix(".stm"), "--json",
        "--record", tmp_path / "call",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "call" / AUDIO_FILE).exists()
    again = livemerc("replay", tmp_path / "call", "--json", "--speed", "0")
    assert again.stdout == done.stdout
    assert settled_lines(events(again.stdout)) == settled_lines(events(done.stdout))
    assert sum(e["type"] == "utterance.final" for e in events(again.stdout)) >= 3


def test_the_audio_of_a_session_run_again_gives_its_events(demo: tuple[Path, bytes]) -> None:
    """Recorded at the source's rate, at its times: another run over it hears the same."""
    folder, printed = demo
    vtt = DEMO_WORDS
    done = livemerc("run", "--file", folder / AUDIO_FILE, "--speed", "0", "--transcript", vtt, "--json")
    assert settled_lines(events(done.stdout)) == settled_lines(events(printed))


def test_what_cannot_be_recorded_is_refused_before_anything_is_heard(demo: tuple[Path, bytes], tmp_path: Path) -> None:
    before = (demo[0] / EVENTS_FILE).read_bytes()
    done = livemerc("run", "--demo", "--record", demo[0])
    assert done.returncode == 2
    assert "give a new folder" in sentence(done)
    assert (demo[0] / EVENTS_FILE).read_bytes() == before
    done = livemerc("run", "--demo", "--record-audio")
    assert done.returncode == 2
    assert "--record DIR" in sentence(done)
    done = livemerc("run", "--file", tmp_path / "absent.wav", "--record", tmp_path / "s")
    assert done.returncode == 5
    assert not (tmp_path / "s").exists()


def test_without_record_nothing_is_written(tmp_path: Path) -> None:
    done = livemerc("run", "--demo", "--speed", "0", "--asr", "transcript", "--json", env=environment(tmp_path))
    assert done.returncode == 0
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@posix
def test_a_full_disk_costs_the_recording_and_not_the_session(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    limited = ("bash", "-c", 'ulimit -f 300 && exec "$@"', "limited")  # 300 KiB: of the audio a quarter
    done = livemerc(
        "run", "--demo", "--speed", "0", "--asr", "transcript", "--json", "--record", folder, "--record-audio",
        prefix=limited,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = events(done.stdout)
    finals = [e["utterance_id"] for e in found if e["type"] == "utterance.final"]
    assert len(finals) == 20
    assert sorted(finals) == sorted(e["utterance_id"] for e in found if e.get("status") == "frozen")
    degraded = [e["degraded"] for e in found if e["type"] == "status" and e["degraded"]]
    assert any("recording stopped" in reason and "audio" in reason for reason in degraded)
    assert "recording stopped" in done.stderr.decode()
    kept = journal.read(folder)
    assert kept.warnings == []
    assert len(read_samples(folder / AUDIO_FILE, 16_000)) > 16_000 * 5


@posix
def test_a_folder_that_vanishes_costs_the_recording_and_not_the_session(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    with begun("--speed", "0", "--record", folder) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        shutil.rmtree(folder)
        rest, said = process.communicate(timeout=120)
    assert process.returncode == 0
    assert len([e for e in events(first + rest) if e["type"] == "utterance.final"]) == 20
    assert b"recording stopped" in said
    assert not folder.exists()


@posix
def test_a_reader_that_leaves_does_not_cost_the_record_its_end(tmp_path: Path) -> None:
    with begun("--speed", "2", "--record", tmp_path / "s") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if b"utterance.final" in line:
                break
        process.stdout.close()
        assert process.wait(timeout=120) == 0
    kept = journal.read(tmp_path / "s")
    assert kept.ended
    finals = {e.utterance_id for e in kept.events if isinstance(e, UtteranceFinal)}
    assert finals == {e.utterance_id for e in kept.events if getattr(e, "status", "") == "frozen"}


@posix
def test_a_stopped_session_is_whole(tmp_path: Path) -> None:
    with begun("--record", tmp_path / "s", "--record-audio") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        os.kill(process.pid, signal.SIGTERM)
        lines += process.stdout.readlines()
        assert process.wait(timeout=120) == 0
    kept = journal.read(tmp_path / "s")
    assert kept.ended
    assert (tmp_path / "s" / EVENTS_FILE).read_bytes() == b"".join(lines)
    last = kept.events[-1]
    assert isinstance(last, SessionEnd)
    audio_s = len(read_samples(tmp_path / "s" / AUDIO_FILE, 16_000)) / 16_000
    assert audio_s == pytest.approx(last.duration_s, abs=0.05)


@posix
def test_kill_9_loses_nothing_that_was_printed_and_leaves_audio_that_agrees(tmp_path: Path) -> None:
    """One of these; fifty by hand: `PYTHONPATH=.:tests python -m e2e.kills --times 50`."""
    death = kill_once(tmp_path / "s", random.Random(time.time_ns()).uniform(0.0, 4.0), 2.0)
    assert agrees(death), death


@posix
@pytest.mark.slow
def test_kill_9_five_times(tmp_path: Path) -> None:
    dice = random.Random(0)
    for number in range(5):
        death = kill_once(tmp_path / str(number), dice.uniform(0.0, 10.0), 2.0)
        assert agrees(death), death


def test_replay_says_what_is_damaged_and_goes_on(demo: tuple[Path, bytes], tmp_path: Path) -> None:
    folder = tmp_path / "s"
    shutil.copytree(demo[0], folder)
    lines = demo[1].splitlines(keepends=True)
    lines[3] = b"\xff" + lines[3]
    (folder / EVENTS_FILE).write_bytes(b"".join(lines)[:-20])
    done = livemerc("replay", folder, "--json", "--speed", "0")
    assert done.returncode == 0
    assert done.stdout == b"".join(lines[:3] + lines[4:-1])
    warnings = done.stderr.decode().splitlines()
    assert len(warnings) == 2
    assert "line 4: damaged" in warnings[0]
    assert "incomplete" in warnings[1]


def test_replay_of_what_is_no_session_is_one_sentence(tmp_path: Path) -> None:
    for command in ("replay", "sessions"):
        done = livemerc(command, tmp_path)
        assert done.returncode == 5
        sentence(done)
    for flags in (("--speed", "0.1"), ("--from", "soon")):
        done = livemerc("replay", tmp_path, *flags)
        assert done.returncode == 2
        assert flags[0] in sentence(done)
