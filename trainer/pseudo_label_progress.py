"""How far the labelling is: a bar with rate, time left and cost on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

LINE_EVERY_S = 30.0


class Progress:
    """Context manager on stderr. `total` texts are to be asked; `known` more have their answer already."""

    def __init__(self, name: str, total: int, known: int) -> None:
        self._name, self._total, self._known = name, total, known
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        self._began = self._said = time.monotonic()
        if self._total and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"), TimeRemainingColumn(), TextColumn("{task.fields[cost]}"),
                console=Console(stderr=True),
            )  # fmt: skip
            self._task = self._bar.add_task(self._name, total=self._total, rate="", cost="")
            self._bar.start()
        if self._known:
            self.say(f"{self._known} answers are in the journal already, {self._total} are to be asked.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, done: int, cost: float | None) -> None:
        """`done` answers of this run; `cost` None = unknown."""
        now = time.monotonic()
        rate = done / max(now - self._began, 1e-6)
        price = "cost unknown" if cost is None else f"cost {cost:.4f}"
        if self._bar is not None:
            self._bar.update(self._task, completed=done, rate=f"{rate:.1f}/s", cost=price)
        elif now - self._said >= LINE_EVERY_S:
            self._said = now
            left = time.strftime("%H:%M:%S", time.gmtime((self._total - done) / max(rate, 1e-6)))
            self.say(f"{done}/{self._total} labelled, {rate:.1f}/s, {left} left, {price}")

    def say(self, sentence: str) -> None:
        """One line, above the bar where there is one."""
        line = f"livemerc-train: {sentence}"
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)
