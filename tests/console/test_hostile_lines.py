"""Every command that prints what a session holds: whatever the session holds, the lines steer no terminal."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from helpers.command_line import environment, livemerc
from helpers.hostile import PIECES, invisible, session
from helpers.sessions import info, write_session

from livemerc.sessions.folder import EVENTS_FILE, SESSION_FILE
from livemerc.text_safety import encodable

WORDS = encodable("".join(PIECES))
NAME = "a\x1b[31mb\x9b2J\u202e[bold]c\x07"
"""What a file may be called."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A session whose every word, and whose name, is hostile; one line of it is damaged."""
    path = write_session(tmp_path / "sessions" / NAME, session(WORDS), tail=b'{"type": "\x1b[31m"}\n{"type": "emo')
    said = msgspec.json.decode(msgspec.json.encode(info()))
    said |= {"source": WORDS, "version": WORDS, "consent": WORDS, "started_at": WORDS}
    (path / SESSION_FILE).write_bytes(msgspec.json.encode(said))
    assert (path / EVENTS_FILE).is_file()
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        ("sessions", "PARENT"), ("sessions", "FOLDER"), ("replay", "FOLDER", "--plain", "--speed", "0"),
        ("watch", "FOLDER", "--plain"), ("replay", "MISSING"), ("watch", "MISSING/x"), ("export", "FOLDER"),
        ("compare", "FOLDER", "FOLDER"), ("run", "--file", "MISSING"),
    ],
)  # fmt: skip
def test_its_lines_steer_no_terminal(folder: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    places = {"PARENT": folder.parent, "FOLDER": folder, "MISSING": tmp_path / NAME}
    named = [str(places.get(a, a)).replace("MISSING", str(tmp_path / NAME)) for a in arguments]
    done = livemerc(*named, env=environment(tmp_path / "home", PYTHONUTF8="1"))
    shown = done.stdout.decode() + done.stderr.decode()
    assert shown.strip()
    assert "Traceback" not in shown
    assert not invisible(shown.replace("\n", ""))
