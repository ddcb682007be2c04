"""The dashboard on a real terminal (a pseudo-terminal), as a process of its own."""

from __future__ import annotations

import os
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("no pseudo-terminals on Windows", allow_module_level=True)

import fcntl
import pty
import termios

SCRIPT = """
import fcntl, os, sys, termios
fcntl.ioctl(1, termios.TIOCSCTTY, 0)  # the pseudo-terminal becomes the controlling one, as of a shell's child
sys.path.insert(0, sys.argv[1])
from helpers.scripted_monitor import ScriptedMonitor, conversation, end
from livemerc.dashboard import run_dashboard
from livemerc.errors import MicrophoneError

class Noisy(ScriptedMonitor):
    def events(self):
        os.write(2, b"a C library \\x1b[31mgrumbles\\n")
        yield from super().events()

failure = MicrophoneError("No microphone; connect one.") if sys.argv[2] == "fails" else None
try:
    code = run_dashboard(Noisy(conversation(), last_words=[end(26.0, 7)], failure=failure))
except MicrophoneError as error:
    print("RAISED", error)
    code = error.exit_code
print("STDIN", len(sys.stdin.buffer.read()))
sys.exit(code)
"""


class Terminal:
    """A process on a pseudo-terminal of 80x24, with 5,000 bytes of audio on its standard input."""

    def __init__(self, how: str = "well") -> None:
        self.shown = b""
        self._end, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(Path(__file__).parents[1]), how],
            stdin=subprocess.PIPE,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        os.close(slave)
        assert self.process.stdin is not None
        self.process.stdin.write(bytes(5000))
        self.process.stdin.close()

    def until(self, text: bytes) -> None:
        give_up = time.monotonic() + 60
        while text not in self.shown:
            assert time.monotonic() < give_up, self.shown[-2000:]
            if not self._read(1.0) and self.process.poll() is not None:
                assert text in self.shown, self.shown[-2000:]

    def type(self, keys: bytes) -> None:
        os.write(self._end, keys)

    def end(self) -> int:
        give_up = time.monotonic() + 60
        while self.process.poll() is None and time.monotonic() < give_up:
            self._read(0.1)
        while self._read(0.1):
            pass
        return self.process.wait(1)

    def vanish(self) -> None:
        """As when its window is closed: nobody reads any more, and the process is told by SIGHUP."""
        os.close(self._end)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._end)

    def _read(self, timeout_s: float) -> bool:
        if not select.select([self._end], [], [], timeout_s)[0]:
            return False
        try:
            data = os.read(self._end, 65536)
        except OSError:  # Linux: the other end is closed
            return False
        self.shown += data
        return bool(data)


@pytest.fixture
def terminal(request: pytest.FixtureRequest) -> Iterator[Terminal]:
    opened = Terminal(getattr(request, "param", "well"))
    yield opened
    opened.close()


def test_a_window_that_is_closed_ends_the_session() -> None:
    terminal = Terminal()
    try:
        terminal.until(b"joy")
        terminal.vanish()
        assert terminal.process.wait(30) == 0
    finally:
        terminal.process.kill()
        terminal.process.wait()


@pytest.mark.parametrize("leave", ["key", "interrupt", "terminate"])
def test_it_leaves_cleanly_and_has_eaten_no_byte_of_the_audio_on_stdin(terminal: Terminal, leave: str) -> None:
    terminal.until(b"I never forgot you")
    if leave == "key":
        terminal.type(b"q")
    else:
        terminal.process.send_signal(signal.SIGINT if leave == "interrupt" else signal.SIGTERM)
    assert terminal.end() == 0
    after = terminal.shown.rpartition(b"\x1b[?1049l")[2]  # the alternate screen is left
    assert b"STDIN 5000" in after
    assert "a C library ␛[31mgrumbles".encode() in after  # told then, and harmless
    assert b"grumbles" not in terminal.shown.rpartition(b"\x1b[?1049l")[0]


@pytest.mark.parametrize("terminal", ["fails"], indirect=True)
def test_a_failure_reaches_the_caller_after_the_screen_is_closed(terminal: Terminal) -> None:
    assert terminal.end() == 4
    after = terminal.shown.rpartition(b"\x1b[?1049l")[2]
    assert b"RAISED No microphone; connect one." in after
    assert b"Traceback" not in terminal.shown


def test_importing_the_room_does_not_load_textual() -> None:
    code = "import sys, livemerc.dashboard; print([m for m in ('textual', 'torch') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_without_any_terminal_it_says_what_to_do() -> None:
    code = (
        "from livemerc.dashboard.terminal import own_terminal\n"
        "from livemerc.errors import ConfigError\n"
        "try:\n    own_terminal().__enter__()\nexcept ConfigError as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, start_new_session=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.stdout == "There is no terminal for the dashboard; run with --plain or --json.\n"
