"""What the process around a monitor needs: one stop path for signals, and clean file descriptors.

No project import, nothing heavy: the command line loads this before it knows what it is asked to do.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import subprocess
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

EXIT_STUCK = 6
"""A failure while running."""

STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)


STUCK_AFTER_S = 4.8
"""After a stop: the main thread that still writes then has a reader that does not read. Under the promised 5 s."""
HOPELESS_AFTER_S = 15.0
"""After a stop: whatever keeps the process, it goes."""

interrupted = False
"""A stop signal came before there was a session. KeyboardInterrupt may get lost on its way: an extension module that is
being imported makes an ImportError of it, or nothing at all."""

_children: set[subprocess.Popen[bytes]] = set()
_writing_since_s: float | None = None
_over = False


def end_with_us(child: subprocess.Popen[bytes]) -> None:
    """However this process ends from now on, `child` is killed before (a SIGKILL apart)."""
    _children.difference_update({known for known in _children if known.returncode is not None})
    _children.add(child)


def exit_now(code: int) -> NoReturn:
    """Past the interpreter's own end, and without children."""
    for child in list(_children):
        if child.returncode is None:
            with contextlib.suppress(OSError):
                child.kill()
    for child in list(_children):
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            child.wait(0.5)
    os._exit(code)


def _before_and_after(number: int, frame: FrameType | None) -> None:
    global interrupted
    if not _over:  # else the session has ended, and its exit code stands
        interrupted = True
        raise KeyboardInterrupt


def catch_early_signals() -> None:
    """From here on a stop signal raises KeyboardInterrupt until a session takes over (`StopOnSignal`), and is ignored
    once that has ended. For a process that does nothing else."""
    sys.unraisablehook = _unraisable
    for number in STOP_SIGNALS:
        if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _before_and_after)


def _unraisable(what: sys.UnraisableHookArgs, /) -> None:
    """Where a KeyboardInterrupt cannot be raised (in a callback of the import system) `interrupted` still holds."""
    if not isinstance(what.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(what)


class StopOnSignal:
    """Context manager: the first stop signal calls `stop` once, the second leaves the process at once.

    Before `stop` is known (sources opening) a signal raises KeyboardInterrupt: there is nothing to flush. Afterwards
    `stop` runs on a thread of its own: a signal handler runs between two bytecodes of the main thread, which may hold
    the very lock that `stop` needs. A main thread that hangs in a write after a stop is not waited for.
    """

    def __init__(self) -> None:
        self.received = False
        self._read_fd, self._write_fd = os.pipe()
        self._stop: Callable[[], None] | None = None
        self._thread: threading.Thread | None = None
        self._left = threading.Event()
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> StopOnSignal:
        for number in STOP_SIGNALS:
            if number != signal.SIGINT and signal.getsignal(number) is signal.SIG_IGN:
                continue  # started under nohup: stays ignored
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *exc: object) -> None:
        global _over
        _over = True
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal itself returned
        self._left.set()
        os.close(self._write_fd)  # ends the thread
        if self._thread is not None:
            self._thread.join(1.0)  # `stop` may be stuck in a device driver
            if self._thread.is_alive():
                return
        os.close(self._read_fd)

    def call(self, stop: Callable[[], None]) -> None:
        """From now on the first signal calls `stop` (thread-safe, idempotent)."""
        if interrupted:
            raise KeyboardInterrupt
        self._stop = stop
        self._thread = threading.Thread(target=self._wait, name="stop-on-signal", daemon=True)
        self._thread.start()

    def _wait(self) -> None:
        if os.read(self._read_fd, 1):
            assert self._stop is not None
            threading.Thread(target=self._see_it_through, name="stop-in-time", daemon=True).start()
            self._stop()

    def _see_it_through(self) -> None:
        began_s = time.monotonic()
        while not self._left.wait(0.1):
            passed_s, since_s = time.monotonic() - began_s, _writing_since_s
            stuck = since_s is not None and time.monotonic() - since_s > 1.0
            if (passed_s > STUCK_AFTER_S and stuck) or passed_s > HOPELESS_AFTER_S:
                what = "the reader of standard output does not read" if stuck else "a part of it does not let go"
                with contextlib.suppress(OSError):
                    os.set_blocking(2, False)  # perhaps nobody reads that either
                    os.write(2, f"livemerc: the session could not be ended in time: {what}.\n".encode())
                exit_now(EXIT_STUCK)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._stop is None:
            _before_and_after(number, frame)
        if self.received:
            exit_now(EXIT_AT_ONCE)
        self.received = True
        os.write(self._write_fd, b"!")  # the only thing that is safe here


class ReaderWatch:
    """Context manager: `gone` is called, once and on a thread of its own, when nobody can read `descriptor` any more.

    A closed pipe is otherwise noticed by the next write, and while models load there is none. Nothing is watched where
    the system has no `poll`.
    """

    def __init__(self, descriptor: int, gone: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._gone = gone
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._watch, name="reader-watch", daemon=True)

    def __enter__(self) -> ReaderWatch:
        if hasattr(select, "poll"):
            self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._wake_write)
        if self._thread.ident is not None:
            self._thread.join(1.0)
        if not self._thread.is_alive():
            os.close(self._wake_read)

    def _watch(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, 0)  # errors and hang-ups are told unasked
        poll.register(self._wake_read, select.POLLIN)
        if any(descriptor == self._descriptor for descriptor, _ in poll.poll()):
            self._gone()


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
        global _writing_since_s
        view = memoryview(data).cast("B")
        done = 0
        _writing_since_s = time.monotonic()
        try:
            while done < len(view):
                taken = super().write(view[done:])
                if taken is None:
                    time.sleep(0.01)  # the reader is behind
                else:
                    done += taken
        finally:
            _writing_since_s = None
        return done


def silence_output() -> None:
    """Point descriptors 1 and 2 at nothing: their reader has gone, and the interpreter's last flush must not fail."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nothing, number)
    os.close(nothing)


def leave(code: int) -> NoReturn:
    """End the process with `code`, past the interpreter's own end where a daemon thread still runs or torch is loaded.

    A thread that comes back from native code while the interpreter is being torn down aborts the process: exit 134
    and "terminate called without an active exception" after everything had gone well. And taking torch apart takes
    up to seconds of the five in which a stopped session must be gone. An interpreter that once saw a KeyboardInterrupt
    pass through an import may end by SIGINT whatever became of it.
    """
    alone = all(thread is threading.current_thread() for thread in threading.enumerate())
    if alone and not interrupted and "torch" not in sys.modules:
        sys.exit(code)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    exit_now(code)


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
