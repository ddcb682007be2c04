"""Which Whisper models lie in the Hugging Face cache, and fetching one. `livemerc models [pull NAME]`.

The cache is read as a plain folder tree: no network, no import of huggingface_hub, and a half-fetched model counts as
absent. `HF_HOME`, `HF_HUB_CACHE` and `HF_HUB_OFFLINE` are honoured.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livemerc.errors import ModelError

REPOSITORIES = {
    "tiny.en": "Systran/faster-whisper-tiny.en",
    "tiny": "Systran/faster-whisper-tiny",
    "base.en": "Systran/faster-whisper-base.en",
    "base": "Systran/faster-whisper-base",
    "small.en": "Systran/faster-whisper-small.en",
    "small": "Systran/faster-whisper-small",
    "medium.en": "Systran/faster-whisper-medium.en",
    "medium": "Systran/faster-whisper-medium",
    "large-v1": "Systran/faster-whisper-large-v1",
    "large-v2": "Systran/faster-whisper-large-v2",
    "large-v3": "Systran/faster-whisper-large-v3",
    "large": "Systran/faster-whisper-large-v3",
    "distil-large-v2": "Systran/faster-distil-whisper-large-v2",
    "distil-medium.en": "Systran/faster-distil-whisper-medium.en",
    "distil-small.en": "Systran/faster-distil-whisper-small.en",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
}
"""faster-whisper's own table (a test compares them), without importing it: that takes a second."""

BUNDLED_NAME = "tiny.en"
BUNDLED = Path(__file__).resolve().parent.parent / "weights" / "whisper-tiny.en"
"""The Whisper that ships: English only, int8 (tools/make_whisper.py)."""

FILES = ("config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*")
"""What faster-whisper fetches of a repository."""

Progress = Callable[[int, int | None], None]
"""Called with the bytes fetched and the bytes in all (None while unknown)."""


@dataclass(frozen=True, slots=True)
class CachedModel:
    """One line of `livemerc models`. `path` and `size_bytes` are None unless the model is here and complete, cached or
    shipped."""

    name: str
    repository: str
    cached: bool
    path: Path | None = None
    size_bytes: int | None = None


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


def repository_of(name: str) -> str:
    """The hub repository of a Whisper size ("base") or of a repository name ("owner/name").

    Raises `ModelError` for anything else.
    """
    if name in REPOSITORIES:
        return REPOSITORIES[name]
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        return name
    raise ModelError(f"unknown Whisper model {name!r}; take one of {', '.join(REPOSITORIES)}, or a folder's path.")


def is_complete(folder: Path) -> bool:
    """Whether a folder holds all that faster-whisper needs without network (links are followed)."""
    needed = [folder / "config.json", folder / "model.bin", folder / "tokenizer.json"]
    vocabularies = [path for path in folder.glob("vocabulary.*") if path.is_file()]
    return all(path.is_file() and path.stat().st_size > 0 for path in needed) and bool(vocabularies)


def cached_path(name: str, environ: Mapping[str, str] | None = None) -> Path | None:
    """The folder of a complete cached model, or None. Raises `ModelError` for an unknown name."""
    folder = hub_cache(environ) / ("models--" + repository_of(name).replace("/", "--"))
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


def local_path(name: str, environ: Mapping[str, str] | None = None) -> Path | None:
    """The folder of a model that needs no network: cached, or the one that ships. Raises `ModelError` for an unknown
    name."""
    cached = cached_path(name, environ)
    if cached is None and repository_of(name) == REPOSITORIES[BUNDLED_NAME] and is_complete(BUNDLED):
        return BUNDLED
    return cached


def list_models(environ: Mapping[str, str] | None = None) -> list[CachedModel]:
    """Every Whisper size by name, and whether it can be used without network."""
    models = []
    for name, repository in REPOSITORIES.items():
        path = local_path(name, environ)
        size = None if path is None else sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        models.append(CachedModel(name, repository, cached_path(name, environ) is not None, path, size))
    return models


def pull(name: str, progress: Progress | None = None) -> Path:
    """Fetches a model into the hub cache and returns its folder; at once when it is there already.

    Raises `ModelError` when the name is unknown, the hub may not be asked or cannot be reached, or the model there is
    no CTranslate2 Whisper.
    """
    repository = repository_of(name)
    path = cached_path(name)
    if path is not None:
        return path
    if hub_is_offline():
        raise ModelError(f"HF_HUB_OFFLINE forbids fetching Whisper {name}; unset it, or give a model's folder.")
    # Read at import by huggingface_hub: set before, its own bars would run into the dashboard
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        fetched = snapshot_download(
            repository,
            allow_patterns=list(FILES),
            cache_dir=hub_cache(),
            tqdm_class=_reporting_bar(progress),
        )
    except LocalEntryNotFoundError as error:
        raise ModelError(f"Whisper {name} cannot be fetched: the hub is not reachable; check the network.") from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise ModelError(f"Whisper {name} cannot be fetched ({_first_line(error)}); check the network.") from error
    if not is_complete(Path(fetched)):
        raise ModelError(f"{repository} holds no complete CTranslate2 Whisper model; take another name.")
    return Path(fetched)


def _reporting_bar(progress: Progress | None) -> type[Any]:
    """A silent tqdm that hands bytes to `progress`: the hub's own bars belong to no dashboard."""
    from tqdm import tqdm

    class ReportingBar(tqdm):  # type: ignore[type-arg, unused-ignore]  # generic in its stubs only
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
