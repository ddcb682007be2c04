"""How a run ends: a signal, a second one, `q` on a terminal; what was heard is always flushed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from helpers.command_line import environment, running, start
from helpers.paths import PROJECT

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals and terminals")


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_signal_flushes_the_last_utterance_and_exits_0(checkpoint: Path, number: signal.Signals) -> None:
    events: list[dict[str, Any]] = []
    with start("run", "--demo", "--asr", "transcript", "--checkpoint", checkpoint, "--json") as process:
        assert process.stdout is not None
        for line in process.stdout:
            events.append(json.loads(line))
            if events[-1]["type"] == "utterance.partial" or len(_of(events, "utterance.final")) == 2:
                break
        time.sleep(0.3)  # into the next utterance
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    events += [json.loads(line) for line in out.splitlines()]
    assert events[-1]["type"] == "session.end"
    finals = [event["utterance_id"] for event in _of(events, "utterance.final")]
    frozen = [event["utterance_id"] for event in _of(events, "emotion") if event["status"] == "frozen"]
    assert finals
    assert sorted(frozen) == sorted(finals)
    assert events[-1]["utterances"] == len(finals)


_WAITING = """
import sys, threading
from livemerc.runtime import process
with process.StopOnSignal() as signals:
    {prepare}
    print("ready", flush=True)
    threading.Event().wait(60)
"""


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_calls_stop_and_the_second_leaves_at_once(number: signal.Signals) -> None:
    prepare = "signals.call(lambda: print('stopping', flush=True))"
    with _running_code(_WAITING.format(prepare=prepare)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.stdout.readline() == b"stopping\n"
        assert process.poll() is None
        process.send_signal(number)
        assert process.wait(60) == 130


@posix
def test_a_signal_while_nothing_is_heard_yet_interrupts() -> None:
    with _running_code(_WAITING.format(prepare="pass")) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert err.rstrip().endswith(b"KeyboardInterrupt")


@posix
def test_stop_runs_apart_from_the_thread_that_was_interrupted() -> None:
    """A lock that the main thread holds when the signal comes must not lock the program up."""
    code = """
import threading, time
from livemerc.runtime import process
lock, stopped = threading.Lock(), threading.Event()
def stop():
    with lock:
        stopped.set()
with process.StopOnSignal() as signals:
    signals.call(stop)
    with lock:
        print("ready", flush=True)
        while not signals.received:
            time.sleep(0.01)
    print(stopped.wait(30), flush=True)
"""
    with _running_code(code) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert out == b"True\n", err


@posix
def test_what_the_tests_start_hears_signals_that_they_themselves_do_not() -> None:
    """As under nohup, or in a background job of a shell: else the tests above would fail there."""
    heard = "import signal; print([signal.getsignal(n) is not signal.SIG_IGN for n in (signal.SIGINT, signal.SIGHUP)])"
    code = (
        f"import subprocess, sys\nheard = [sys.executable, '-c', {heard!r}]\nsubprocess.run(heard)\n"
        "from helpers.signals import let_children_hear\nlet_children_hear()\nsubprocess.run(heard)"
    )
    done = subprocess.run(
        ["sh", "-c", "trap '' HUP INT; exec \"$@\"", "sh", sys.executable, "-c", code],
        capture_output=True, env=environment(PYTHONPATH=f"{PROJECT}{os.pathsep}{PROJECT / 'tests'}"), timeout=60,
        check=True,
    )  # fmt: skip
    assert done.stdout.split(b"\n")[:2] == [b"[False, False]", b"[True, True]"]


# -- a terminal ------------------------------------------------------------------------------------------------------


_OWN_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from livemerc.cli import main
main()
"""


@posix
def test_on_a_terminal_the_dashboard_opens_and_q_leaves(checkpoint: Path) -> None:
    import pty

    terminal, inside = pty.openpty()
    command = [sys.executable, "-c", _OWN_TERMINAL, "run", "--demo", "--asr", "transcript"]
    env = environment(TERM="xterm-256color", COLUMNS="100", LINES="30")
    streams = {"stdin": inside, "stdout": inside, "stderr": inside}
    with running([*command, "--checkpoint", str(checkpoint)], env=env, start_new_session=True, **streams) as process:
        os.close(inside)
        seen = _read_until(terminal, b"Good morning")
        assert b"\x1b[?1049h" in seen
        os.write(terminal, b"q")
        rest = _read_until(terminal, None)
        os.close(terminal)
        assert process.wait(60) == 0, rest[-2000:]
    assert b"\x1b[?1049l" in rest


def _of(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == kind]


def _running_code(code: str) -> AbstractContextManager[subprocess.Popen[bytes]]:
    return running([sys.executable, "-c", code], env=environment())


def _read_until(terminal: int, wanted: bytes | None) -> bytes:
    """Bytes of a pseudo-terminal until `wanted` is among them; None = until its other end closes."""
    seen = b""
    while wanted is None or wanted not in seen:
        try:
            piece = os.read(terminal, 65_536)
        except OSError:  # Linux says so when the other end has closed
            piece = b""
        if not piece:
            assert wanted is None, seen[-2000:]
            break
        seen += piece
    return seen
