"""The table of `livemerc sessions`, and what is said beside it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from helpers.sessions import HOSTILE, conversation, write_session, write_some_sessions
from rich.cells import cell_len

from livemerc.console.session_table import list_sessions
from livemerc.errors import InputError
from livemerc.sessions.folder import EVENTS_FILE, SESSION_FILE


def test_a_line_each_and_a_warning_for_what_is_not_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_some_sessions(tmp_path)
    assert list_sessions(tmp_path) == 0
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 7
    for name, word in (
        ("b-cut", "incomplete"),
        ("d-climbs", "refused"),
        ("e-broken", "no session"),
        ("f-newer", "newer"),
    ):
        assert any(name in line and word in line for line in shown.err.splitlines()), (name, shown.err)


def test_where_no_session_is_there_is_no_table(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", conversation(1))
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "absent", folder / EVENTS_FILE):
        with pytest.raises(InputError):
            list_sessions(path)


def test_hostile_names_and_sources_do_not_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = conversation(0)[0]
    folder = write_session(tmp_path / "a\x1b[31mb", [msgspec.structs.replace(start, source=HOSTILE)])
    (folder / SESSION_FILE).unlink()
    list_sessions(tmp_path)
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err
    assert len(shown.out.splitlines()) == 2


def test_wide_names_keep_the_columns_of_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("会議🎭", "meeting"):
        write_session(tmp_path / name, conversation(1))
    list_sessions(tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert {cell_len(line[: line.index("00:10")]) for line in lines[1:]} == {lines[0].index("length")}
