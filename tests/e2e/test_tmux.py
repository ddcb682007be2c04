"""The dashboard in a terminal that people use: resized, suspended, detached, closed."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from helpers.command_line import environment
from helpers.paths import DEMO_WORDS, PROJECT
from helpers.sessions import conversation, write_session
from helpers.tmux import Tmux

if sys.platform == "win32":
    pytest.skip("no tmux on Windows", allow_module_level=True)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux on this machine (apt install tmux)"),
]

FIRST_WORDS = "Good morning. I am making coffee in the kitchen."


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    with Tmux(tmp_path / "inner", environment(tmp_path)) as terminal:
        yield terminal


def demo(folder: Path) -> str:
    """The demo in real time with its own words, recorded; its exit code is printed after it."""
    command = [
        sys.executable, "-m", "livemerc", "run", "--demo", "--record", str(folder), "--asr", "transcript",
        "--transcript", str(DEMO_WORDS),
    ]  # fmt: skip
    return shlex.join(command) + "; echo ENDED' 'WITH $?"


def whole(screen: str) -> bool:
    """One header at the top, one notice below it, no row twice: nothing of an earlier size is left."""
    rows = screen.splitlines()
    said = [row for row in rows if re.match(r" *\d\d:\d\d +.*[a-z]{3}", row)]
    return rows[0].count("livemerc") == 1 and screen.count("xpressed") <= 2 and len(said) == len(set(said))


def ended_well(terminal: Tmux) -> None:
    screen = terminal.until("ENDED WITH")
    assert "ENDED WITH 0" in screen
    assert "Traceback" not in screen
    assert terminal("display-message", "-p", "-t", "t", "#{alternate_on} #{cursor_flag} #{mouse_any_flag}").split() == [
        "0", "1", "0",
    ]  # fmt: skip


def test_a_storm_of_sizes_leaves_the_screen_whole(tmux: Tmux, tmp_path: Path) -> None:
    tmux.type(demo(tmp_path / "meeting"))
    tmux.until(FIRST_WORDS)
    dice = random.Random(5)
    sizes = [(60, 20), (250, 70), (20, 6), (80, 24), (200, 60)]
    sizes += [(dice.randint(20, 250), dice.randint(6, 70)) for _ in range(15)]
    for width, height in sizes:  # 20 sizes in 10 s
        tmux.resize(width, height)
        time.sleep(0.5)
    for width, height in ((60, 20), (200, 60), (110, 34)):
        tmux.resize(width, height)
        tmux.press("Home")
        screen = tmux.until_it(lambda screen: "Good morning. I am" in screen and whole(screen), "a whole screen")
        assert max(len(row) for row in screen.splitlines()) <= width
        tmux.press("End", "f")
    tmux.press("q")
    ended_well(tmux)
    assert ended(tmp_path / "meeting")


def test_suspended_it_gives_the_terminal_back_and_resumed_it_goes_on(tmux: Tmux, tmp_path: Path) -> None:
    tmux.type(demo(tmp_path / "meeting"))
    tmux.until(FIRST_WORDS)
    for _ in range(2):
        tmux.press("C-z")
        tmux.until("Stopped")
        assert tmux("display-message", "-p", "-t", "t", "#{alternate_on} #{mouse_any_flag}").split() == ["0", "0"]
        tmux.type("clear; echo THE' 'SHELL ANSWERS")
        tmux.until("THE SHELL ANSWERS")
        tmux.type("fg")
        tmux.until_it(lambda screen: FIRST_WORDS in screen and whole(screen), "the screen after fg")
    tmux.press("q")
    tmux.until("recorded: ")
    tmux.until_it(lambda _: ended(tmp_path / "meeting"), "the end of the session")
    assert "Traceback" not in tmux.screen()


def test_detached_and_attached_from_a_smaller_terminal(tmux: Tmux, tmp_path: Path) -> None:
    tmux.type(demo(tmp_path / "meeting"))
    tmux.until(FIRST_WORDS)
    tmux("set-option", "-g", "window-size", "latest")
    tmux("set-option", "-g", "status", "off")
    for size in ((110, 34), (80, 24)):
        outer = Tmux(tmp_path / "outer", environment(tmp_path), f"tmux -S {tmp_path / 'inner'} attach -t t", size)
        try:
            outer.until_it(lambda screen: "livemerc" in screen and whole(screen), "the attached screen")
            width = int(tmux("display-message", "-p", "-t", "t", "#{window_width}"))
            assert width == size[0]
            outer.until_it(lambda screen: "Good morning" in screen and whole(screen), "its words")
            if size == (80, 24):
                tmux("detach-client", "-s", "t")
        finally:
            outer.close()  # the first time the line is cut, as when ssh breaks
        time.sleep(1.0)
        assert "livemerc" in tmux.screen()
    tmux.press("q")
    ended_well(tmux)


@pytest.mark.parametrize("before", ["", "trap '' HUP; "], ids=["told", "signal ignored"])
def test_a_terminal_that_is_closed_ends_the_session_and_its_recording(tmux: Tmux, tmp_path: Path, before: str) -> None:
    tmux.type(before + demo(tmp_path / "meeting"))
    tmux.until(FIRST_WORDS)
    tmux.close()
    give_up_at_s = time.monotonic() + 30
    while not ended(tmp_path / "meeting"):
        assert time.monotonic() < give_up_at_s, "the session went on without a terminal"
        time.sleep(0.2)


@pytest.mark.parametrize("screen", ["watch", "label"])
def test_a_screen_that_draws_nothing_ends_with_its_terminal(tmux: Tmux, tmp_path: Path, screen: str) -> None:
    folder = write_session(tmp_path / "meeting", conversation(3))
    tmux.type(f"trap '' HUP; {shlex.join([sys.executable, '-m', 'livemerc', screen, str(folder)])}")
    tmux.until("words 1")
    shell = psutil.Process(int(tmux("display-message", "-p", "-t", "t", "#{pane_pid}")))
    screens = [process for process in shell.children(recursive=True) if screen in process.cmdline()]
    assert screens
    time.sleep(2.0)  # it has drawn all that there is
    tmux.close()
    _, left = psutil.wait_procs(screens, timeout=30)
    for process in left:
        process.kill()
    assert not left, "the screen went on without a terminal"


def test_a_second_screen_sees_the_first_one_die(tmux: Tmux, tmp_path: Path) -> None:
    folder = tmp_path / "meeting"
    tmux.type(shlex.join([sys.executable, "-m", "livemerc", "watch", str(folder)]) + "; echo ENDED' 'WITH $?")
    tmux.until("waiting for a recording in ", "/meeting")
    running = subprocess.Popen(
        [*shlex.split(demo(folder).partition(";")[0]), "--plain"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=PROJECT,
        env=environment(tmp_path),
    )  # fmt: skip
    try:
        tmux.until(FIRST_WORDS, "live")
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        tmux.until("broke off", FIRST_WORDS)
        shutil.rmtree(folder)
        tmux.press("[", "l", "q")
        ended_well(tmux)
    finally:
        running.kill()
        running.wait()


def ended(folder: Path) -> bool:
    """Whether the recording has come to its session.end."""
    lines = (folder / "events.jsonl").read_bytes().splitlines()
    return bool(lines) and json.loads(lines[-1])["type"] == "session.end"
