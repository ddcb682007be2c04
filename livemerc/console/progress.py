"""How far a file has come that is heard as fast as it goes: a bar where somebody watches, a line a minute elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType

from livemerc.errors import say
from livemerc.events import Event, Status
from livemerc.notation import clock

EVERY_S = 60.0


class Progress:
    """`see` every event; a context. length_s: of the source; None = unknown. `bar`: draw one on standard error, else a
    sentence to `tell` each `every_s` seconds of `now`."""

    def __init__(
        self,
        length_s: float | None,
        *,
        bar: bool,
        tell: Callable[[str], object] = say,
        every_s: float = EVERY_S,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._length_s = length_s
        self._tell = tell
        self._every_s = every_s
        self._now = now
        self._began: tuple[float, float] | None = None  # wall, source
        self._told_s = 0.0
        self._draw: Callable[[float], object] | None = None
        self._drawn = ExitStack()
        if bar and length_s is not None:
            self._draw = self._begin_bar(length_s)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drawn.close()

    def see(self, event: Event) -> None:
        """Tells where `status` has come to, if it is time."""
        if not isinstance(event, Status):
            return
        if self._draw is not None:
            self._draw(event.t_s)
            return
        now_s = self._now()
        if self._began is None:
            self._began = now_s, event.t_s
            self._told_s = now_s
        elif now_s - self._told_s >= self._every_s:
            self._told_s = now_s
            self._tell(self._sentence(event.t_s, now_s))

    def _sentence(self, t_s: float, now_s: float) -> str:
        assert self._began is not None
        pace = (t_s - self._began[1]) / max(1e-9, now_s - self._began[0])
        length_s = self._length_s
        of = "" if length_s is None else f" of {clock(length_s)} ({min(1.0, t_s / max(1e-9, length_s)):.0%})"
        left = "" if length_s is None or pace <= 0 else f"; about {clock(max(0.0, length_s - t_s) / pace)} left"
        return f"heard {clock(t_s)}{of}, {pace:.1f} times as fast as it was spoken{left}"

    def _begin_bar(self, length_s: float) -> Callable[[float], object]:
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        bar = self._drawn.enter_context(Bar(*columns, console=Console(stderr=True), transient=True))
        task = bar.add_task(clock(0.0), total=length_s)

        def draw(t_s: float) -> None:
            bar.update(task, completed=t_s, description=f"{clock(t_s)} of {clock(length_s)}")

        return draw


def progress_of(length_s: float | None) -> Progress:
    """A bar where standard error is a terminal and standard output is not: lines and a bar on one would mix."""
    return Progress(length_s, bar=sys.stderr.isatty() and not sys.stdout.isatty())
