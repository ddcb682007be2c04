"""How far a long file has come: a line a minute, or a bar."""

from __future__ import annotations

import contextlib
import os
import sys
import threading

import pytest
from helpers.command_line import environment, livemerc, running
from helpers.paths import DEMO

from livemerc.console.progress import Progress
from livemerc.events import SessionEnd, Status


def status(t_s: float) -> Status:
    return Status(t_s=t_s, lag_s=0.0, queued={})


def told(length_s: float | None, *seen: tuple[float, float]) -> list[str]:
    """What is said of a status of source second t when the clock shows w: (w, t) each."""
    sentences: list[str] = []
    clock = [0.0]
    with Progress(length_s, bar=False, tell=sentences.append, now=lambda: clock[0]) as progress:
        for wall_s, t_s in seen:
            clock[0] = wall_s
            progress.see(status(t_s))
            progress.see(SessionEnd(duration_s=t_s, utterances=0))
    return sentences


def test_a_line_a_minute_tells_how_far_it_is_and_what_is_left():
    sentences = told(10_800.0, (0, 0), (30, 300), (60, 600), (90, 900), (125, 1250))
    assert sentences == [
        "heard 10:00 of 3:00:00 (6%), 10.0 times as fast as it was spoken; about 17:00 left",
        "heard 20:50 of 3:00:00 (12%), 10.0 times as fast as it was spoken; about 15:55 left",
    ]


def test_what_was_heard_in_an_earlier_session_is_no_pace():
    (sentence,) = told(10_800.0, (0, 5400), (60, 5460))
    assert "1.0 times as fast" in sentence
    assert "about 1:29:00 left" in sentence


def test_an_unknown_length_and_a_source_that_stands_still_are_no_trouble():
    assert told(None, (0, 0), (60, 600)) == ["heard 10:00, 10.0 times as fast as it was spoken"]
    assert "left" not in told(600.0, (0, 5), (60, 5))[0]


def test_a_short_file_says_nothing_of_it_and_events_stay_alone_on_standard_output():
    done = livemerc("run", "--file", DEMO, "--asr", "none", "--text-only=false", "--speed", "0", "--json")
    assert done.returncode == 0
    assert b"heard" not in done.stderr
    assert all(line.startswith(b'{"type"') for line in done.stdout.splitlines())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals (pty)")
def test_where_standard_error_is_a_terminal_a_bar_shows_how_far_it_is():
    import pty

    ours, theirs = pty.openpty()
    shown: list[bytes] = []

    def look() -> None:
        with contextlib.suppress(OSError):  # its other end is closed
            while data := os.read(ours, 4096):
                shown.append(data)

    thread = threading.Thread(target=look)
    thread.start()
    command = [sys.executable, "-m", "livemerc", "run", "--file", DEMO, "--asr", "none", "--speed", "0", "--json"]
    env = environment(TERM="xterm-256color", COLUMNS="100", LINES="20")
    with running([str(word) for word in command], env=env, stderr=theirs) as process:
        assert process.stdout is not None
        lines = process.stdout.read().splitlines()
        assert process.wait() == 0
    os.close(theirs)
    thread.join()
    os.close(ours)
    assert "of 01:15" in b"".join(shown).decode()
    assert all(line.startswith(b'{"type"') for line in lines)
