"""The Hugging Face cache as a plain folder tree, and fetching into it.

To look is neither network nor an import of huggingface_hub. `HF_HOME`, `HF_HUB_CACHE` and `HF_HUB_OFFLINE` are
honoured.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from livemerc.errors import ModelError

Progress = Callable[[int, int | None], None]
"""Called with the bytes fetched and the bytes in all (None while unknown)."""


def hub_cache(environ: Mapping[str, str] | None = None) -> Path:
    """The Hugging Face hub cache, by the hub's own rules; need not exist."""
    environ = os.environ if environ is None else environ
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if environ.get(name):
            return Path(environ[name]).expanduser()
    if environ.get("HF_HOME"):
        return Path(environ["HF_HOME"]).expanduser() / "hub"
    base = Path(environ["XDG_CACHE_HOME"]).expanduser() if environ.get("XDG_CACHE_HOME") else Path.home() / ".cache"
    return base / "huggingface" / "hub"


def hub_is_offline(environ: Mapping[str, str] | None = None) -> bool:
    """Whether `HF_HUB_OFFLINE` (or `TRANSFORMERS_OFFLINE`) forbids network calls."""
    environ = os.environ if environ is None else environ
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return any(environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE") for name in names)


def cached_snapshot(
    repository: str, is_complete: Callable[[Path], bool], environ: Mapping[str, str] | None = None
) -> Path | None:
    """The folder of a repository's cached snapshot, the current one before older ones; None where none `is_complete`:
    a half-fetched one counts as absent."""
    folder = hub_cache(environ) / ("models--" + repository.replace("/", "--"))
    snapshots = folder / "snapshots"
    try:
        commit = (folder / "refs" / "main").read_text("utf-8").strip()
        candidates = [snapshots / commit] if commit else []
    except (OSError, UnicodeDecodeError):
        candidates = []
    try:
        others = [path for path in snapshots.iterdir() if path.is_dir()]
    except OSError:
        others = []
    candidates += sorted(others, key=lambda path: path.stat().st_mtime, reverse=True)
    return next((path for path in candidates if is_complete(path)), None)


def fetch(repository: str, files: Sequence[str], what: str, instead: str, progress: Progress | None = None) -> Path:
    """Fetches those `files` of a repository that it has (patterns) into the cache, and returns their folder.

    what: the model as a sentence calls it, for instance "Whisper base"; instead: what to do where the network is
    forbidden. Raises `ModelError` where the hub may not be asked or cannot be reached.
    """
    if hub_is_offline():
        raise ModelError(f"HF_HUB_OFFLINE forbids fetching {what}; unset it, or {instead}.")
    # Read at import by huggingface_hub; what it would say beside its errors, the caller says in one sentence
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        fetched = snapshot_download(
            repository, allow_patterns=list(files), cache_dir=hub_cache(), tqdm_class=_reporting_bar(progress)
        )
    except LocalEntryNotFoundError as error:
        raise ModelError(f"{what} cannot be fetched: the hub is not reachable; check the network.") from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise ModelError(f"{what} cannot be fetched ({_first_line(error)}); check the network.") from error
    return Path(fetched)


def _reporting_bar(progress: Progress | None) -> type[Any]:
    """A silent tqdm that hands bytes to `progress`: the hub's own bars belong to no dashboard."""
    from tqdm import tqdm

    class ReportingBar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs["disable"] = False
            kwargs["file"] = _Nowhere()
            kwargs.pop("name", None)
            self._counts_bytes = kwargs.get("unit") == "B"
            super().__init__(*args, **kwargs)

        def update(self, n: float | None = 1) -> bool | None:
            shown = super().update(n)
            if progress is not None and self._counts_bytes:
                progress(int(self.n), int(self.total) if self.total else None)
            return shown

    return ReportingBar


class _Nowhere:
    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
