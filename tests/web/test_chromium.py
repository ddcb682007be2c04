"""The screen in a browser that people have: Debian's Chromium, while the demo runs and is recorded."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from helpers import chromium
from helpers.chromium import Chromium
from helpers.command_line import environment, running
from helpers.paths import DEMO_WORDS, PROJECT
from helpers.sessions import HOSTILE, conversation, write_session

pytestmark = pytest.mark.skipif(chromium.find() is None, reason="no chromium on this machine (apt install chromium)")


def words_of_demo() -> list[str]:
    """What is said in the demo, an entry an utterance."""
    vtt = DEMO_WORDS.read_text(encoding="utf-8")
    said = [block.splitlines()[-1] for block in vtt.strip().split("\n\n") if "-->" in block]
    return [re.sub(r"<[^>]*>", "", line).strip() for line in said]


def started(home: Path, *arguments: str | Path) -> AbstractContextManager[subprocess.Popen[str]]:
    """`livemerc ARGUMENTS`, killed in the end."""
    command = [sys.executable, "-m", "livemerc", *map(str, arguments)]
    return running(command, stderr=subprocess.DEVNULL, text=True, cwd=PROJECT, env=environment(home))


def the_demo(home: Path, folder: Path) -> AbstractContextManager[subprocess.Popen[str]]:
    return started(
        home, "run", "--demo", "--record", folder, "--speed", "2", "--plain", "--asr", "transcript",
        "--transcript", DEMO_WORDS,
    )  # fmt: skip


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@contextmanager
def watch_web(home: Path, folder: Path) -> Iterator[str]:
    """The address that `livemerc watch FOLDER --web` prints; ended as Ctrl+C does, with 0."""
    with started(home, "watch", folder, "--web") as process:
        address = first_line(process)
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", address), address
        yield address
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Chromium]:
    with chromium.running(tmp_path / "profile") as browser:
        browser.view(1200, 700)
        yield browser


def test_the_demos_words_appear_while_it_runs(page: Chromium, tmp_path: Path) -> None:
    said = words_of_demo()
    folder = tmp_path / "meeting"
    with watch_web(tmp_path, folder) as address, the_demo(tmp_path, folder) as demo:
        page.open(address)
        page.until(*said[0].split()[:3])
        assert demo.poll() is None, "the words came after the session's end"
        text = page.until(*said[5].split()[:3])
        assert "live" in text
        if picture := os.environ.get("TESTS_PICTURES"):
            (Path(picture) / "watch-web.png").write_bytes(page.picture())
        page.press("?")
        page.until("calibrated probability")
        page.press("?")
        page.press("q")
        page.until("the session goes on without you")
        server = address.split("/")[2]
        assert {request.split("/")[2] for request in page.seen.requests} - {server, ""} == set(), page.seen.requests
        assert not page.seen.errors


def test_hostile_words_are_words_in_the_browser_too(page: Chromium, tmp_path: Path) -> None:
    words = f"<img src=x onerror=alert(1)> [bold]loud[/bold] \x1b]8;;http://evil.example\x07click\x1b]8;;\x07 {HOSTILE}"
    folder = write_session(tmp_path / "meeting", conversation(3, text=words))
    page.view(1600, 900)
    with watch_web(tmp_path, folder) as address:
        page.open(address)
        text = page.until("[bold]loud[/bold]", "<img src=x onerror=alert(1)>", "click")
        assert "\x1b" not in text
        assert page.evaluate("document.querySelectorAll('img, a').length") == 0
        assert page.evaluate("document.title") == "livemerc: meeting"


def test_a_killed_session_and_a_killed_server_are_told_and_a_new_one_is_reached(page: Chromium, tmp_path: Path) -> None:
    folder = tmp_path / "meeting"
    first = words_of_demo()[0].split()[:3]
    with started(tmp_path, "watch", folder, "--web") as server:
        address = first_line(server)
        page.open(address)
        with the_demo(tmp_path, folder):
            page.until("live", *first)
        page.until("broken off", *first)
    page.until("The connection to livemerc was lost", *first)
    page.evaluate("document.getElementById('again').click()")
    page.until("cannot be reached at this address", *first)
    port = address.split(":")[2].split("/")[0]
    with started(tmp_path, "watch", folder, "--web", "--port", port) as server:
        new = first_line(server)
        assert new != address
        page.evaluate("document.getElementById('again').click()")
        page.until("open the one that it printed", *first)
        page.open(new)
        page.until("broken off", *first)
