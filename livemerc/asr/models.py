"""Which Whisper models lie in the Hugging Face cache, and fetching one. `livemerc models [pull NAME]`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from livemerc.errors import ModelError
from livemerc.runtime.hub import Progress, cached_snapshot, fetch

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


@dataclass(frozen=True, slots=True)
class CachedModel:
    """One line of `livemerc models`. `path` and `size_bytes` are None unless the model is here and complete, cached or
    shipped."""

    name: str
    repository: str
    cached: bool
    path: Path | None = None
    size_bytes: int | None = None


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
    return cached_snapshot(repository_of(name), is_complete, environ)


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
    fetched = fetch(repository, FILES, f"Whisper {name}", "give a model's folder", progress)
    if not is_complete(fetched):
        raise ModelError(f"{repository} holds no complete CTranslate2 Whisper model; take another name.")
    return fetched
