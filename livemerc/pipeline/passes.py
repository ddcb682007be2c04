"""How a dialogue has a pass of the model run: here and now, or by somebody on another thread or machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Run(Protocol):
    """Runs a pass of the model and gives what it gave, for instance on another thread; may raise what it likes."""

    def __call__(self, work: Callable[[], T], /) -> T: ...


class Try(Protocol):
    """The same for what may be left undone: None where it was."""

    def __call__(self, work: Callable[[], T], /) -> T | None: ...


def at_once(work: Callable[[], T]) -> T:
    """Here and now."""
    return work()
