"""`livemerc report`: where the page is written, and what is refused."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from helpers.command_line import environment, livemerc, sentence
from helpers.paths import PROJECT
from helpers.sessions import conversation, info, write_session

from livemerc.sessions.folder import SESSION_FILE


def test_the_command_writes_one_private_file_and_nothing_else(session: Path, tmp_path: Path) -> None:
    done = livemerc("report", session, "-o", tmp_path / "report.html")
    assert (done.returncode, done.stdout) == (0, b"")
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    assert stat.S_IMODE((tmp_path / "report.html").stat().st_mode) == 0o600
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")


def test_an_earlier_report_is_replaced(session: Path, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_text("an earlier one")
    assert livemerc("report", session, "-o", target).returncode == 0
    assert "Session report" in target.read_text()


def test_the_recording_itself_is_never_written_over(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", conversation(1))
    before = (folder / SESSION_FILE).read_bytes()
    done = livemerc("report", folder, "-o", folder / SESSION_FILE)
    assert done.returncode == 2
    assert (folder / SESSION_FILE).read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("SESSION",), 2),
        (("SESSION", "-o", "FOLDER"), 2),
        (("SESSION", "-o", "FOLDER/absent/report.html"), 2),
        (("FOLDER/absent", "-o", "FOLDER/r.html"), 5),
        (("FOLDER", "-o", "FOLDER/r.html"), 5),
    ],
)
def test_what_cannot_be_is_one_sentence(session: Path, tmp_path: Path, arguments: tuple[str, ...], code: int) -> None:
    named = [a.replace("SESSION", str(session)).replace("FOLDER", str(tmp_path)) for a in arguments]
    done = livemerc("report", *named)
    assert done.returncode == code
    sentence(done)
    assert list(tmp_path.iterdir()) == []


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", conversation(1))
    (folder / SESSION_FILE).write_bytes(msgspec.json.encode(info(schema=99)))
    done = livemerc("report", folder, "-o", tmp_path / "r.html")
    assert done.returncode == 5
    assert "newer" in sentence(done)


def test_a_report_needs_no_model_no_ears_and_no_screen(session: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from livemerc.cli import call; "
        f"call(['report', {str(session)!r}, '-o', {str(tmp_path / 'r.html')!r}]); "
        "print(*(m for m in sys.modules if '.' not in m))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(tmp_path), cwd=PROJECT,
        timeout=120, check=True,
    )  # fmt: skip
    loaded = set(done.stdout.split())
    assert "msgspec" in loaded
    assert not loaded & {"torch", "transformers", "textual", "onnxruntime", "numpy", "matplotlib", "av", "sounddevice"}
    assert (tmp_path / "r.html").is_file()
