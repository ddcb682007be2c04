"""The base of every app of this room: it wears a palette, and it lives in this process's own terminal."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable

from textual.app import App

from livemerc.dashboard.palette import PALETTES, Palette, palette_for
from livemerc.dashboard.terminal import own_signals, own_terminal
from livemerc.errors import EXIT_OK
from livemerc.runtime.process import STOP_SIGNALS

_HANG_UP = getattr(signal, "SIGHUP", None)


class TerminalApp(App[int]):
    """A full-screen app. It returns an exit code, and a stop signal leaves it as its own key does."""

    def __init__(self) -> None:
        super().__init__()
        self.leaving = False
        """Somebody has asked to leave, and what goes on is being finished."""
        self.terminal_gone: Callable[[], bool] = lambda: False
        """Whether the terminal has vanished; SIGHUP does not tell it where a shell ignores that signal."""
        for palette in PALETTES:
            self.register_theme(palette.theme())
        self.wear(palette_for(os.environ))

    def wear(self, palette: Palette) -> None:
        self.palette = palette
        self.theme = palette.name

    def wear_next(self) -> None:
        """The palette after the present one; after the last comes the first."""
        self.wear(PALETTES[(PALETTES.index(self.palette) + 1) % len(PALETTES)])

    def leave_on_signals(self) -> None:
        """A signal from outside leaves as `q` does. Windows has no such handlers; only the main thread may set them."""
        if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # under nohup it stays ignored
                loop.add_signal_handler(number, self.hang_up if number == _HANG_UP else self.action_leave)

    def hang_up(self) -> None:
        """The terminal was closed. Kernel, shell and the terminal itself all tell; nobody is impatient."""
        if not self.leaving:
            self.action_leave()

    def action_leave(self) -> None:
        self.exit(EXIT_OK)

    def run_in_terminal(self, theme: str = "auto") -> int | None:
        """Returns the exit code; None where Textual has failed, and has shown its traceback.

        `theme`: as in the configuration, `screen.theme`. Raises `ConfigError` where there is no terminal.
        """
        self.wear(palette_for(os.environ, theme))
        with own_terminal() as self.terminal_gone, own_signals():
            return self.run()
