"""Fetches a model, with a progress bar where somebody watches."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from livemerc.runtime.hub import Progress


def with_bar(title: str, pull: Callable[[Progress | None], Path]) -> Path:
    """What `pull` gives, on a terminal with a progress bar on stderr. Raises what `pull` raises."""
    if not sys.stderr.isatty():
        return pull(None)
    from rich import progress as bars
    from rich.console import Console

    text, left = bars.TextColumn("{task.description}"), bars.TimeRemainingColumn()
    columns = (text, bars.BarColumn(), bars.DownloadColumn(), left)
    with bars.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        return pull(lambda done, total: bar.update(task, completed=done, total=total))
