"""What the process around a monitor needs: one stop path for signals, and clean file descriptors.

No project import, nothing heavy: the command line loads this before it knows what it is asked to do.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, BinaryIO, NoReturn, cast

if TYPE_CHECKING:
    from typing_extensions import Buffer

EXIT_AT_ONCE = 130
"""A second Ctrl+C: 128 + SIGINT, the shell's own number. The last utterance was not waited for."""

STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)


class StopOnSignal:
    """Context manager: the first stop signal calls `stop` once, the second leaves the process at once.

    Before `stop` is known (sources opening, models loading) a signal raises KeyboardInterrupt: there is nothing to
    flush. Afterwards `stop` runs on a thread of its own: a signal handler runs between two bytecodes of the main
    thread, which may hold the very lock that `stop` needs.
    """

    def __init__(self) -> None:
        self.received = False
        self._read_fd, self._write_fd = os.pipe()
        self._stop: Callable[[], None] | None = None
        self._thread: threading.Thread | None = None
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> StopOnSignal:
        for number in STOP_SIGNALS:
            if number != signal.SIGINT and signal.getsignal(number) is signal.SIG_IGN:
                continue  # started under nohup: stays ignored
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal itself returned
        os.close(self._write_fd)  # ends the thread
        if self._thread is not None:
            self._thread.join()
        os.close(self._read_fd)

    def call(self, stop: Callable[[], None]) -> None:
        """From now on the first signal calls `stop` (thread-safe, idempotent)."""
        self._stop = stop
        self._thread = threading.Thread(target=self._wait, name="stop-on-signal", daemon=True)
        self._thread.start()

    def _wait(self) -> None:
        if os.read(self._read_fd, 1):
            assert self._stop is not None
            self._stop()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._stop is None:
            raise KeyboardInterrupt
        if self.received:
            os._exit(EXIT_AT_ONCE)
        self.received = True
        os.write(self._write_fd, b"!")  # the only thing that is safe here


def claim_stdout() -> BinaryIO:
    """The real stdout, for this program's lines alone; whatever else writes to descriptor 1 goes to stderr.

    C libraries below Python (PortAudio, FFmpeg, CUDA) print to descriptor 1 as they like: under `--json` one such
    line breaks every reader. Unbuffered, so a line is out when `write` returns.
    """
    sys.stdout.flush()
    private = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return cast("BinaryIO", WholeWrites(private, "wb"))


class WholeWrites(io.FileIO):
    """An unbuffered file whose `write` ends when everything is written.

    `write(2)` may take a part (a signal, a line longer than the pipe has room for) or nothing at all (a parent that
    set the pipe non-blocking): a raw file would report that and lose the rest of the line.
    """

    def write(self, data: Buffer, /) -> int:
        view = memoryview(data).cast("B")
        done = 0
        while done < len(view):
            taken = super().write(view[done:])
            if taken is None:
                time.sleep(0.01)  # the reader is behind
            else:
                done += taken
        return done


def silence_output() -> None:
    """Point descriptors 1 and 2 at nothing: their reader has gone, and the interpreter's last flush must not fail."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nothing, number)
    os.close(nothing)


def leave(code: int) -> NoReturn:
    """End the process with `code`, past the interpreter's own end where a daemon thread still runs.

    A thread that comes back from native code while the interpreter is being torn down aborts the process: exit 134
    and "terminate called without an active exception" after everything had gone well.
    """
    if all(thread is threading.current_thread() for thread in threading.enumerate()):
        sys.exit(code)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def has_screen() -> bool:
    """Whether a full-screen dashboard can be shown: stdout is a terminal with cursor control, and the process has one.

    The screen opens the controlling terminal itself: stdin may be audio, and stderr a file.
    """
    if sys.stdout is None or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return False
    if os.name != "nt":
        try:
            os.close(os.open("/dev/tty", os.O_RDWR))
        except OSError:
            return False
    return True
