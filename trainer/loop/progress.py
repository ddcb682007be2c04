"""How far a long work is, on standard error: one line on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

LINE_EVERY_S, REDRAW_EVERY_S = 30.0, 0.2
"""Pause between two lines in a file, and between two states of the one line on a terminal."""


ERASED = "\r\x1b[K"
"""What empties the line of a terminal."""


def duration(seconds: float) -> str:
    """3725 -> "1:02:05", 65 -> "1:05"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Progress:
    """Steps of one epoch, or things of another `unit`. `done`: steps made before this sitting; `steps`: of the epoch,
    None = not known; `later`: steps of the epochs after it. With early stopping the time left is an upper bound."""

    def __init__(
        self,
        title: str,
        done: int,
        steps: int | None,
        later: int = 0,
        *,
        unit: str = "step",
        shown: bool = True,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._title, self._done, self._steps, self._later, self._shown = title, done, steps, later, shown
        self._unit, self._stream, self._clock = unit, stream or sys.stderr, clock
        self._terminal = self._stream.isatty()
        self._began = self._last = clock()
        self._made = 0

    def line(self, note: str) -> str:
        elapsed = max(1e-9, self._clock() - self._began)
        rate, step = self._made / elapsed, self._done + self._made
        of = left = ""
        if self._steps is not None:
            of = f" of {self._steps}"
            left = f", {duration(max(0, self._steps - step + self._later) / rate)} left" if rate else ""
        return f"{self._title}, {self._unit} {step}{of}{note and ', ' + note}, {rate:.2f} {self._unit}s/s{left}"

    def step(self, loss: float) -> None:
        """A step was made; `loss`: mean of the epoch so far."""
        self.update(self._done + self._made + 1, f"loss {loss:.4f}")

    def update(self, done: int, note: str = "", steps: int | None = None) -> None:
        """`done` of them are done; `note`: what else is to be said; `steps`: how many there are, once that is known."""
        self._made = done - self._done
        self._steps = steps or self._steps
        now = self._clock()
        if self._shown and now - self._last >= (REDRAW_EVERY_S if self._terminal else LINE_EVERY_S):
            self._last = now
            text = self.line(note)
            self._stream.write(f"\r{text}\x1b[K" if self._terminal else f"{text}\n")
            self._stream.flush()

    def say(self, sentence: str) -> None:
        """A line of its own."""
        self._stream.write(f"{ERASED if self._terminal else ''}livemerc-train: {sentence}\n")
        self._stream.flush()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._shown and self._terminal:
            self._stream.write(ERASED)
            self._stream.flush()
