"""The screen in a browser that people have: Debian's Chromium, while the demo runs and is recorded."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from chromium import CHROMIUM, browser
from helpers.command_line import environment
from helpers.paths import PROJECT
from helpers.sessions import HOSTILE, conversation, write_session

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (apt install chromium)")


def words_of_demo() -> list[str]:
    """What is said in the demo, an entry an utterance."""
    vtt = (PROJECT / "livemerc" / "demo" / "demo.vtt").read_text(encoding="utf-8")
    said = [block.splitlines()[-1] for block in vtt.strip().split("\n\n") if "-->" in block]
    return [re.sub(r"<[^>]*>", "", line).strip() for line in said]


def started(home: Path, *arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "livemerc", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=PROJECT,
        env=environment(home),
    )


async def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return (await asyncio.to_thread(process.stdout.readline)).strip()


@asynccontextmanager
async def watch_web(home: Path, folder: Path) -> AsyncIterator[str]:
    """The address that `livemerc watch FOLDER --web` prints; ended as Ctrl+C does, with 0."""
    process = started(home, "watch", folder, "--web")
    try:
        address = await first_line(process)
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", address), address
        yield address
        process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(process.wait, 30) == 0
    finally:
        process.kill()
        process.communicate()


async def test_the_demos_words_appear_while_it_runs(tmp_path: Path) -> None:
    said = words_of_demo()
    profile = tmp_path / "profile"
    profile.mkdir()
    folder = tmp_path / "meeting"
    async with watch_web(tmp_path, folder) as address, browser(profile) as chromium:
        demo = started(
            tmp_path, "run", "--demo", "--record", folder, "--speed", "2", "--plain",
            "--asr", "transcript", "--transcript", PROJECT / "livemerc" / "demo" / "demo.vtt",
        )  # fmt: skip
        try:
            async with chromium.page(address) as page:
                await page.until(*said[0].split()[:3])
                assert demo.poll() is None, "the words came after the session's end"
                text = await page.until(*said[5].split()[:3])
                assert "live" in text
                if picture := os.environ.get("LIVEMERC_PICTURES"):
                    await page.picture(Path(picture) / "watch-web.png")
                await page.press("?")
                await page.until("calibrated probability")
                await page.press("?")
                await page.press("q")
                await page.until("the session goes on without you")
                server = address.split("/")[2]
                assert {request.split("/")[2] for request in page.requests} - {server, ""} == set(), page.requests
                assert not page.errors
        finally:
            demo.kill()
            demo.communicate()


async def test_hostile_words_are_words_in_the_browser_too(tmp_path: Path) -> None:
    profile = tmp_path / "profile"
    profile.mkdir()
    words = f"<img src=x onerror=alert(1)> [bold]loud[/bold] \x1b]8;;http://evil.example\x07click\x1b]8;;\x07 {HOSTILE}"
    folder = write_session(tmp_path / "meeting", conversation(3, text=words))
    async with (
        watch_web(tmp_path, folder) as address,
        browser(profile, (1600, 900)) as chromium,
        chromium.page(address) as page,
    ):
        text = await page.until("[bold]loud[/bold]", "<img src=x onerror=alert(1)>", "click")
        assert "\x1b" not in text
        assert await page.evaluate("document.querySelectorAll('img, a').length") == 0
        assert await page.evaluate("document.title") == "livemerc: meeting"


async def test_a_killed_session_and_a_killed_server_are_told_and_a_new_one_is_reached(tmp_path: Path) -> None:
    profile, folder = tmp_path / "profile", tmp_path / "meeting"
    profile.mkdir()
    first = words_of_demo()[0].split()[:3]
    running = [started(tmp_path, "watch", folder, "--web")]
    address = await first_line(running[0])
    try:
        async with browser(profile) as chromium, chromium.page(address) as page:
            running.append(
                started(
                    tmp_path, "run", "--demo", "--record", folder, "--speed", "2", "--plain",
                    "--asr", "transcript", "--transcript", PROJECT / "livemerc" / "demo" / "demo.vtt",
                )
            )  # fmt: skip
            await page.until("live", *first)
            running[1].kill()
            await page.until("broken off", *first)
            running[0].kill()
            await page.until("The connection to livemerc was lost", *first)
            await page.evaluate("document.getElementById('again').click()")
            await page.until("cannot be reached at this address", *first)
            port = address.split(":")[2].split("/")[0]
            running.append(started(tmp_path, "watch", folder, "--web", "--port", port))
            new = await first_line(running[2])
            assert new != address
            await page.evaluate("document.getElementById('again').click()")
            await page.until("open the one that it printed", *first)
            await page.open(new)
            await page.until("broken off", *first)
    finally:
        for process in running:
            process.kill()
            process.communicate()
