"""Fetches a Whisper model where somebody watches: with a progress bar, and before a screen opens."""

from __future__ import annotations

import sys
from pathlib import Path

from livemerc.config import Config
from livemerc.errors import ModelError, say


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


def fetch_before_screen(config: Config) -> None:
    """Fetch now what `config.asr` would fetch later, behind the dashboard, where no bar can be drawn.

    Raises `ModelError` for a named model that cannot be had; with `auto` the failure is said and pocketsphinx takes
    over.
    """
    from livemerc.asr.identify import find_whisper, voice_of
    from livemerc.asr.models import REPOSITORIES, cached_path, hub_is_offline
    from livemerc.asr.select import DEFAULT_MODEL, best_cached

    asr = config.asr
    if config.offline or hub_is_offline() or asr.engine not in ("auto", "faster-whisper"):
        return
    identity = voice_of(config)
    if asr.model is None and identity is not None:  # the recogniser will be the one that the voice needs
        if find_whisper(identity) is not None or identity.name not in REPOSITORIES:
            return
        name = identity.name
    else:
        name = asr.model or best_cached(config) or DEFAULT_MODEL
    if asr.model is not None and (Path(name).expanduser().is_dir() or name.startswith((".", "/", "~")) or "\\" in name):
        return  # a folder: nothing to fetch
    if cached_path(name) is not None:
        return
    say(f"fetching Whisper {name} once (--offline forbids it).")
    try:
        pull_with_bar(name)
    except ModelError as error:
        if asr.engine != "auto" or asr.model is not None:
            raise
        say(str(error))
