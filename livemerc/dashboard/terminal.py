"""The terminal itself: it is kept clean of what libraries print, and found also where standard input carries audio."""

from __future__ import annotations

import errno
import gc
import io
import os
import select
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from livemerc.errors import ConfigError
from livemerc.runtime.process import STOP_SIGNALS, silence_output
from livemerc.text_safety import plain_text

if TYPE_CHECKING:
    from typing_extensions import Buffer

_STDERR = 2
_KEPT_BYTES = 4096


@contextmanager
def own_terminal() -> Iterator[Callable[[], bool]]:
    """Textual reads keys from `sys.__stdin__` and draws on `sys.__stderr__`: give it the terminal, alone.

    With `--stdin` the standard input is audio, and the screen must not eat a byte of it. C libraries (ALSA, PortAudio)
    print to file descriptor 2 whenever they like: that is kept aside and shown after the screen has closed.
    A terminal that has vanished (its window was closed) still takes what is written, so that the session can end.
    Yields a function that tells whether it has vanished, because SIGHUP may be ignored, as by a shell that traps it.
    Raises `ConfigError` where there is no terminal at all.
    """
    if sys.platform == "win32":
        yield lambda: False
        return
    real_in, real_err = sys.__stdin__, sys.__stderr__
    with ExitStack() as stack:
        try:
            keys = stack.enter_context(open("/dev/tty"))
            drawn = _Drawn("/dev/tty", "w")
            screen = stack.enter_context(io.TextIOWrapper(io.BufferedWriter(drawn)))
        except OSError as error:
            raise ConfigError("There is no terminal for the dashboard; run with --plain or --json.") from error
        if os.isatty(_STDERR):  # where it is redirected, it goes to a file already
            stack.enter_context(_stderr_aside(drawn))
        for name in ("COLUMNS", "LINES"):  # where a shell exports them, Textual would believe them for ever
            if (value := os.environ.pop(name, None)) is not None:
                stack.callback(os.environ.__setitem__, name, value)
        try:
            if real_in is None or not real_in.isatty():
                sys.__stdin__ = keys  # type: ignore[misc]  # Textual's driver reads it; typed Final
            sys.__stderr__ = screen  # type: ignore[misc]
            yield lambda: drawn.gone or _hung_up(drawn)
        finally:
            sys.__stdin__, sys.__stderr__ = real_in, real_err  # type: ignore[misc]


@contextmanager
def own_signals() -> Iterator[None]:
    """While the screen is open, stop signals are its own; afterwards their handlers are those of before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def spare_the_collector() -> None:
    """Makes the garbage collector leave alone what is loaded by now, in a process that is there for one screen.

    If it looked through Textual and torch each time, it would stop the screen for longer. It still runs as often as
    ever: running it a third as often saves 100 ms of standstill in some minutes of talk, and costs megabytes.
    """
    gc.freeze()


def _hung_up(terminal: io.FileIO) -> bool:
    """Whether nobody is at its other end any more. A screen that draws nothing would not notice."""
    poll = select.poll()
    poll.register(terminal.fileno(), 0)
    return any(told & select.POLLHUP for _, told in poll.poll(0))


class _Drawn(io.FileIO):
    """The terminal as Textual's writer thread sees it. An error would end that thread, and the screen wait for it."""

    gone = False

    def write(self, data: Buffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in (errno.EIO, errno.ENXIO):
                raise
            self.gone = True
            return memoryview(data).nbytes


@contextmanager
def _stderr_aside(screen: _Drawn) -> Iterator[None]:
    terminal = os.dup(_STDERR)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), _STDERR)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(terminal, _STDERR)
            os.close(terminal)
            if screen.gone:
                silence_output()  # what is left to say would fail, and nobody is there to read it
            aside.seek(max(0, aside.seek(0, os.SEEK_END) - _KEPT_BYTES))
            for line in aside.read().decode(errors="replace").splitlines():
                print(plain_text(line), file=sys.stderr)
