"""What the documents say of rooms is run as it stands there; only port, folder and file are this test's own."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.command_line import environment, running
from helpers.documents import DOCS, README, blocks, commands, read
from helpers.paths import DEMO, PROJECT
from helpers.served import serving

SERVER = next(page for page in DOCS if page.name == "server.md")
THERE = "http://127.0.0.1:8765/"


def ran(address: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    words = [word.replace(THERE, address) for word in arguments]
    command = [sys.executable, "-m", "livemerc", *words]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, timeout=200, check=False)


@pytest.mark.slow
def test_the_readmes_commands_of_rooms_work_together(tmp_path: Path) -> None:
    shutil.copy(DEMO, tmp_path / "call.wav")  # whatever its name, it is decoded as what it is
    shown = commands(read(README), "livemerc")
    (serve,) = [words for words in shown if words[0] == "serve"]
    (speak,) = [words for words in shown if "--to" in words]
    (watch,) = [words for words in shown if words[0] == "watch" and words[1].startswith(THERE)]
    with serving(*serve[1:]) as address:
        command = [sys.executable, "-m", "livemerc", *(word.replace(THERE, address) for word in watch)]
        with running(command, env=environment(), cwd=tmp_path) as watching:
            done = ran(address, tmp_path, *speak)
            assert done.returncode == 0, done.stderr
            seen, _ = watching.communicate(timeout=120)
    assert seen == done.stdout
    assert len(seen.splitlines()) == 20


def test_the_pages_python_runs(tmp_path: Path) -> None:
    (code,) = blocks(read(SERVER), "python")
    with serving("--asr", "none") as address:
        done = subprocess.run(
            [sys.executable, "-c", code.replace(THERE, address)],
            cwd=PROJECT, env=environment(), capture_output=True, timeout=120, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(b"SessionStart(") == done.stdout.count(b"SessionEnd(") == 2


def test_the_page_tells_the_limits_that_there_are() -> None:
    from livemerc.protocol import LONGEST_BLOCK_S, RESUME_WITHIN_S
    from livemerc.server.limits import Limits
    from livemerc.server.room import RECENT
    from livemerc.server.webhooks import WAITING

    text, limits = read(SERVER), Limits()
    for wanted in (
        f"| rooms at once | `--rooms`, {limits.rooms} |",
        f"| sources in a room | {limits.sources} at once |",
        f"| connections | {limits.connections} |",
        f"| a message | {LONGEST_BLOCK_S:.0f} s of audio |",
        f"and {limits.ahead_s:.0f} s ahead",
        f"| audio that waits for a room's ears | {limits.ring_s:.0f} s |",
        f"| a session | {limits.room_s / 3600:.0f} hours of audio |",
        f"the last {limits.log_events:,}, and of partials and status the last {RECENT:,} of all",
        f"| a connection without a request | {2 * limits.idle_s:.0f} s |",
        f"takes nothing for {limits.send_within_s:.0f} s",
        f"connects again within {RESUME_WITHIN_S:.0f} s",
        f"leaves {WAITING:,} events waiting",
    ):
        assert wanted in text, wanted
    assert re.search(r"it can be read for a minute", text)
    assert limits.kept_s == 60.0
