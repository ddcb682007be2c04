"""A terminal that people use: a tmux server of its own with one shell, what is typed into it and what it shows."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from helpers.paths import PROJECT


class Tmux:
    """`env` is the shell's environment; `socket` a path that is nobody else's."""

    def __init__(
        self, socket: Path, env: dict[str, str], shell: str = "bash --norc -i", size: tuple[int, int] = (110, 34)
    ) -> None:
        self._socket = socket
        # some shells export the size that they began with: it must not be believed for ever
        began = {"COLUMNS": str(size[0]), "LINES": str(size[1])}
        self._env = env | {"TERM": "xterm-256color", "LANG": "C.UTF-8", "PS1": "$ ", **began}
        self._env.pop("TMUX", None)
        self("new-session", "-d", "-s", "t", "-x", str(size[0]), "-y", str(size[1]), shell)

    def __enter__(self) -> Tmux:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(self._socket), "-f", "/dev/null", *arguments],
            env=self._env, cwd=PROJECT, capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        return done.stdout

    def type(self, line: str) -> None:
        self("send-keys", "-t", "t", line, "Enter")

    def press(self, *keys: str) -> None:
        self("send-keys", "-t", "t", *keys)

    def screen(self) -> str:
        return self("capture-pane", "-p", "-t", "t")

    def resize(self, width: int, height: int) -> None:
        self("resize-window", "-t", "t", "-x", str(width), "-y", str(height))

    def until(self, *words: str, give_up_s: float = 120.0) -> str:
        """Waits until all `words` stand on the screen."""
        return self.until_it(lambda screen: all(word in screen for word in words), str(words), give_up_s)

    def until_it(self, condition: Callable[[str], bool], what: str, give_up_s: float = 120.0) -> str:
        give_up_at_s = time.monotonic() + give_up_s
        while not condition(screen := self.screen()):
            assert time.monotonic() < give_up_at_s, f"{what} never came:\n{screen}"
            time.sleep(0.1)
        return screen

    def close(self) -> None:
        """With everything that was started in it."""
        subprocess.run(["tmux", "-S", str(self._socket), "kill-server"], capture_output=True, check=False)
