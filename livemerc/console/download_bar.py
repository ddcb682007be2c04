"""Fetches a Whisper model, with a progress bar where somebody watches."""

from __future__ import annotations

import sys
from pathlib import Path


def pull_with_bar(name: str) -> Path:
    """`livemerc.asr.models.pull`, on a terminal with a progress bar on stderr. Raises `ModelError`."""
    from livemerc.asr.models import pull

    if not sys.stderr.isatty():
        return pull(name)
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"Whisper {name}", total=None)
        return pull(name, lambda done, total: bar.update(task, completed=done, total=total))
