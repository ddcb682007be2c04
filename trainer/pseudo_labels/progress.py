"""How far the labelling is: a bar with rate, time left and cost on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from types import TracebackType
from typing import Any

LINE_EVERY_S = 30.0


class Progress:
    """Context manager on stderr. `total` things are to be done; `done_is` says what each of them is then."""

    def __init__(self, name: str, total: int, done_is: str) -> None:
        self._name, self._total, self._done_is = name, total, done_is
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        self._began = self._said = time.monotonic()
        if self._total and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"), TimeRemainingColumn(), TextColumn("{task.fields[note]}"),
                console=Console(stderr=True),
            )  # fmt: skip
            self._task = self._bar.add_task(self._name, total=self._total, rate="", note="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, done: int, note: str = "") -> None:
        """`done` of `total`; `note` stands behind the time left, for instance the cost so far."""
        now = time.monotonic()
        rate = done / max(now - self._began, 1e-6)
        if self._bar is not None:
            self._bar.update(self._task, completed=done, rate=f"{rate:.1f}/s", note=note)
        elif now - self._said >= LINE_EVERY_S:
            self._said = now
            left = timedelta(seconds=round((self._total - done) / max(rate, 1e-6)))
            self.say(f"{done}/{self._total} {self._done_is}, {rate:.1f}/s, {left} left{', ' * bool(note)}{note}")

    def say(self, sentence: str) -> None:
        """One line, above the bar where there is one."""
        line = f"livemerc-train: {sentence}"
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)
