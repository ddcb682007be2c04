"""`livemerc export` as a user types it."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from export_sessions import hostile_events
from helpers.command_line import environment, livemerc, sentence
from helpers.paths import PROJECT
from helpers.sessions import conversation, write_session

from livemerc.commands.export import export as export_command
from livemerc.events import decode, encode
from livemerc.export import FORMATS, FormatName, export
from livemerc.sessions.bookmarks import BOOKMARKS_FILE
from livemerc.sessions.corrections import CORRECTIONS_FILE
from livemerc.sessions.folder import EVENTS_FILE, SESSION_FILE
from livemerc.sessions.journal import read as read_journal

ALL = list(FORMATS)


@pytest.fixture
def call(tmp_path: Path) -> Path:
    return write_session(tmp_path / "call", conversation(3))


def test_the_command_offers_the_formats_there_are() -> None:
    offered = get_type_hints(export_command, include_extras=True)["format"]
    assert set(get_args(get_args(offered)[0])) == set(FORMATS)


# -- what is exported --------------------------------------------------------------------------------------------------


def test_jsonl_is_the_events_in_their_order_and_can_be_exported_and_replayed_again(tmp_path: Path) -> None:
    events = hostile_events()
    folder = write_session(tmp_path / "call", events)
    data = export(folder, "jsonl").data
    assert data == (folder / EVENTS_FILE).read_bytes()
    assert [decode(line) for line in data.splitlines()] == events
    again = tmp_path / "again.jsonl"
    again.write_bytes(data)
    assert read_journal(again).events == events
    assert export(again, "jsonl").data == data
    assert export(again, "srt").data == export(folder, "srt").data


def test_jsonl_keeps_what_was_recorded_and_says_where_corrections_are(call: Path) -> None:
    before = export(call, "jsonl").data
    (call / CORRECTIONS_FILE).write_text('{"utterance_id":"u1","text":"mended"}\n')
    after = export(call, "jsonl")
    assert after.data == before
    (warning,) = after.warnings
    assert "1 corrected utterance(s)" in warning


@pytest.mark.parametrize("name", ["csv", "srt", "vtt", "emotionml", "textgrid", "audacity"])
def test_corrections_are_applied_unless_the_original_is_asked_for(name: FormatName, call: Path) -> None:
    before = export(call, name).data
    (call / CORRECTIONS_FILE).write_text('{"utterance_id":"u1","text":"mended","emotion":"anger"}\n')
    assert b"mended" in export(call, name).data
    assert export(call, name, original=True).data == before


@pytest.mark.parametrize("name", ALL)
def test_a_session_cut_short_is_exported_as_far_as_it_goes(name: FormatName, tmp_path: Path) -> None:
    whole = export(write_session(tmp_path / "a" / "call", conversation(3)), name)
    cut = export(write_session(tmp_path / "b" / "call", conversation(3)[:-1]), name)
    assert whole.warnings == []
    assert any("cut short" in warning for warning in cut.warnings)
    if name not in ("jsonl", "parquet", "textgrid"):  # parquet and TextGrid know how it ended and how long it was
        assert cut.data == whole.data


@pytest.mark.parametrize("name", ALL)
def test_a_session_that_is_being_recorded_is_exported_as_far_as_it_had_come(name: FormatName, call: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    with (call / EVENTS_FILE).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        found = export(call, name)
    assert found.data
    assert any("still being recorded" in warning for warning in found.warnings)
    assert not any("cut short" in warning for warning in found.warnings)


@pytest.mark.parametrize("name", ALL)
def test_damaged_lines_are_told_of_and_the_sound_ones_exported(name: FormatName, tmp_path: Path) -> None:
    sound = export(write_session(tmp_path / "a" / "call", conversation(3)), name)
    folder = write_session(tmp_path / "b" / "call", conversation(3))
    lines = (folder / EVENTS_FILE).read_bytes().splitlines(keepends=True)
    lines[3:3] = [b"{not json\n", b'{"type":"emotion"}\n', b"\xff\xfe\n"]
    (folder / EVENTS_FILE).write_bytes(b"".join(lines))
    found = export(folder, name)
    assert found.data == sound.data
    assert sum("damaged" in warning for warning in found.warnings) == 3


@pytest.mark.parametrize("name", ALL)
def test_an_empty_session_and_one_without_any_event(name: FormatName, tmp_path: Path) -> None:
    assert export(write_session(tmp_path / "empty", conversation(0)), name).warnings == []
    nothing = export(write_session(tmp_path / "nothing", []), name)
    assert any("cut short" in warning for warning in nothing.warnings)


# -- where it goes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["vtt", "parquet"])
def test_a_file_and_standard_output_get_the_same_bytes(name: FormatName, call: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    done = livemerc("export", call, "--format", name)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == export(call, name).data
    done = livemerc("export", call, "--format", name, "-o", target)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert target.read_bytes() == export(call, name).data
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert sorted(p.name for p in tmp_path.iterdir()) == ["call", "out"]


def test_hostile_words_cannot_steer_the_terminal(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "call", hostile_events())
    for name in ALL:
        data = export(folder, name).data
        if name not in ("parquet", "csv"):  # these keep every character
            assert b"\x1b" not in data, name


def test_warnings_go_to_standard_error_and_the_exit_code_is_0(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "call", conversation(1), tail=b'{"type":"sta')
    done = livemerc("export", folder, "--format", "srt")
    assert done.returncode == 0
    assert done.stderr.startswith(b"livemerc: warning: call/events.jsonl: the last line")
    assert done.stdout == export(folder, "srt").data


def test_an_existing_file_is_replaced_and_keeps_its_permissions(call: Path, tmp_path: Path) -> None:
    target = tmp_path / "call.srt"
    target.write_text("an earlier export")
    target.chmod(0o644)
    assert livemerc("export", call, "--format", "srt", "-o", target).returncode == 0
    assert target.read_bytes() == export(call, "srt").data
    assert stat.S_IMODE(target.stat().st_mode) == 0o644


def test_a_link_is_followed_and_stays_a_link(call: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "link.srt"
    link.symlink_to(tmp_path / "there" / "real.srt")
    assert livemerc("export", call, "--format", "srt", "-o", link).returncode == 0
    assert link.is_symlink()
    assert (tmp_path / "there" / "real.srt").read_bytes() == export(call, "srt").data


@pytest.mark.parametrize("name", [EVENTS_FILE, SESSION_FILE, CORRECTIONS_FILE, BOOKMARKS_FILE, "audio.flac"])
def test_a_sessions_own_files_are_never_overwritten(name: str, call: Path, tmp_path: Path) -> None:
    other = write_session(tmp_path / "other", conversation(1))
    link = tmp_path / "link"
    link.symlink_to(call / name)
    before = {p: p.read_bytes() for folder in (call, other) for p in folder.iterdir()}
    for target in (call / name, other / name, link):
        done = livemerc("export", call, "--format", "jsonl", "-o", target)
        assert done.returncode == 2
        assert "belongs to a recorded session; choose another name." in sentence(done)
    assert {p: p.read_bytes() for folder in (call, other) for p in folder.iterdir()} == before


def test_an_events_file_is_not_exported_onto_itself(call: Path, tmp_path: Path) -> None:
    events = tmp_path / "events.txt"
    events.write_bytes((call / EVENTS_FILE).read_bytes())
    done = livemerc("export", events, "--format", "csv", "-o", events)
    assert done.returncode == 2
    assert events.read_bytes() == (call / EVENTS_FILE).read_bytes()
    assert livemerc("export", call, "--format", "csv", "-o", call / "call.csv").returncode == 0  # beside them is fine


@pytest.mark.parametrize(
    ("target", "said"),
    [("missing/out.srt", "there is no folder"), ("folder", "a folder; name a file in it"), ("x" * 300, "too long")],
)
def test_a_place_that_cannot_be_written_to_is_one_sentence(target: str, said: str, call: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    done = livemerc("export", call, "--format", "srt", "-o", tmp_path / target)
    assert done.returncode == 2
    assert said in sentence(done)


def test_a_full_disk_leaves_what_was_there(call: Path, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    target = tmp_path / "out.jsonl"
    target.write_text("mine")

    def little_room() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    done = subprocess.run(
        [sys.executable, "-m", "livemerc", "export", str(call), "--format", "jsonl", "-o", str(target)],
        capture_output=True, env=environment(tmp_path), preexec_fn=little_room, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 6
    assert "cannot be written (File too large); nothing was changed" in sentence(done)
    assert target.read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".part"] == []


def test_devices_are_written_to_and_not_replaced(call: Path) -> None:
    done = livemerc("export", call, "--format", "srt", "-o", "/dev/full")
    assert done.returncode == 6
    assert "No space left on device" in sentence(done)
    assert livemerc("export", call, "--format", "srt", "-o", "/dev/null").returncode == 0
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    done = livemerc("export", call, "--format", "srt", "-o", "/dev/stdout")
    assert (done.returncode, done.stdout) == (0, export(call, "srt").data)


def test_standard_output_that_is_full_is_one_sentence(call: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "livemerc", "export", str(call), "--format", "jsonl"],
            stdout=full, stderr=subprocess.PIPE, env=environment(), timeout=120, check=False,
        )  # fmt: skip
    assert done.returncode == 6
    assert b"standard output cannot be written to (No space left on device)" in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_a_reader_that_leaves_is_no_failure(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "call", conversation(2000))
    done = subprocess.run(
        ["/bin/sh", "-c", '{ "$0" "$@"; echo "code $?" >&2; } | head -c 10', sys.executable, "-m", "livemerc",
         "export", str(folder), "--format", "jsonl"],
        capture_output=True, env=environment(), timeout=120, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == (b'{"type":"s', b"code 0\n")


def _on_a_terminal(*arguments: str | Path) -> tuple[int, bytes, bytes]:
    """Exit code, what the terminal got, and stderr."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "livemerc", *map(str, arguments)]
    seen = b""
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, env=environment()) as child:
        os.close(theirs)
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # how Linux tells that the other side has closed
                break
            if not piece:
                break
            seen += piece
        assert child.stderr is not None
        said = child.stderr.read()
    os.close(ours)
    return child.returncode, seen, said


def test_a_terminal_gets_no_parquet(call: Path) -> None:
    code, seen, said = _on_a_terminal("export", call, "--format", "parquet")
    assert (code, seen) == (2, b"")
    assert b"standard output is a terminal; name a file with -o." in said


@pytest.mark.parametrize("name", ["csv", "jsonl", "emotionml"])
def test_a_terminal_is_not_steered(name: str, tmp_path: Path) -> None:
    code, seen, _ = _on_a_terminal("export", write_session(tmp_path / "call", hostile_events()), "--format", name)
    assert code == 0
    text = seen.decode()
    assert "u0" in text
    assert not [c for c in text if not c.isprintable() and c not in "\r\n\u200c\u200d"]


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    done = livemerc("export", tmp_path, "--format", "srt")
    assert done.returncode == 5
    assert "this folder holds no session" in sentence(done)
    done = livemerc("export", tmp_path, "--format", "docx")
    assert done.returncode == 2
    assert "docx" in sentence(done)
    assert livemerc("export", tmp_path).returncode == 2


# -- what it loads -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_no_model_no_ears_and_no_screen_are_loaded(name: FormatName, call: Path, tmp_path: Path) -> None:
    code = (
        "import sys, json\nfrom livemerc.cli import call\n"
        f"call(['export', {str(call)!r}, '--format', {name!r}, '-o', {str(tmp_path / 'out')!r}])\n"
        "sys.stderr.write(json.dumps([m for m in sys.modules if '.' not in m]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=environment(tmp_path), cwd=PROJECT, timeout=120,
        check=False,
    )  # fmt: skip
    loaded = set(json.loads(done.stderr))
    assert (tmp_path / "out").exists()
    heavy = {"torch", "transformers", "textual", "faster_whisper", "onnxruntime", "sounddevice", "av", "lxml"}
    assert not loaded & heavy
    assert ("pyarrow" in loaded) == (name == "parquet")
    if name != "parquet":  # pyarrow brings these where they are installed
        assert not loaded & {"numpy", "pandas"}


def test_every_event_survives(tmp_path: Path) -> None:
    events = conversation(20)
    data = export(write_session(tmp_path / "call", events), "jsonl").data
    assert data == b"".join(encode(event) + b"\n" for event in events)
