"""Stronger embedders that can be fetched: WeSpeaker's (Wang et al. 2023, arXiv 2210.17016), as ONNX.

`livemerc models pull speaker` fetches one into the Hugging Face cache, `speakers.embedder` chooses it. No numpy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from livemerc.errors import ModelError
from livemerc.runtime.hub import Progress, cached_snapshot, fetch
from livemerc.speakers.scale import scale_of

GE2E = "ge2e"
"""The one that ships."""
LICENCE = "WeSpeaker's code is Apache-2.0, its weights, trained on VoxCeleb, are CC BY 4.0"


@dataclass(frozen=True, slots=True)
class Published:
    """`title`: what a sentence calls it."""

    title: str
    repository: str
    file: str


PUBLISHED = {
    "speaker": Published(
        "WeSpeaker ResNet34-LM", "Wespeaker/wespeaker-voxceleb-resnet34-LM", "voxceleb_resnet34_LM.onnx"
    ),
    "speaker-campplus": Published(
        "WeSpeaker CAM++", "Wespeaker/wespeaker-voxceleb-campplus", "voxceleb_CAM++.onnx"
    ),
}  # fmt: skip
"""By the names that `pull` and `speakers.embedder` take."""


@dataclass(frozen=True, slots=True)
class CachedEmbedder:
    """One line of `livemerc models`. `path`, `size_bytes`: None unless it is here. `lacks`: the sentence that refuses
    it; None = it can be used, or is not here."""

    name: str
    title: str
    path: Path | None = None
    size_bytes: int | None = None
    lacks: str | None = None


def cached_file(name: str, environ: Mapping[str, str] | None = None) -> Path | None:
    """The network's file in the hub's cache, or None. `name`: of `PUBLISHED`."""
    model = PUBLISHED[name]

    def is_complete(folder: Path) -> bool:
        file = folder / model.file
        return file.is_file() and file.stat().st_size > 0

    folder = cached_snapshot(model.repository, is_complete, environ)
    return None if folder is None else folder / model.file


def file_of(asked: str) -> Path:
    """The network that `speakers.embedder` asks for, another than GE2E. Raises `ModelError` where it is not here."""
    if asked in PUBLISHED:
        file = cached_file(asked)
        if file is None:
            raise ModelError(
                f"speakers.embedder: {PUBLISHED[asked].title} is not on this machine; fetch it once with `livemerc "
                f"models pull {asked}`."
            )
        return file
    file = Path(asked).expanduser()
    if not file.is_file():
        known = ", ".join([GE2E, *PUBLISHED])
        raise ModelError(f"speakers.embedder: {asked} is no file; take one of {known}, or the path of an ONNX file.")
    return file


def list_embedders(environ: Mapping[str, str] | None = None) -> list[CachedEmbedder]:
    """Every one that can be fetched, and whether it is here and can be used."""
    found = []
    for name, model in PUBLISHED.items():
        path = cached_file(name, environ)
        size = None if path is None else path.stat().st_size
        found.append(CachedEmbedder(name, model.title, path, size, None if path is None else lacking(path, name)))
    return found


def lacking(file: Path, asked: str) -> str | None:
    """The sentence that refuses a network that is here; None = it can be used."""
    try:
        scale_of(file, asked)
    except ModelError as error:
        return str(error)
    return None


def pull(name: str, progress: Progress | None = None) -> Path:
    """Fetches one of `PUBLISHED` into the hub's cache and returns its file; at once when it is there already.

    Raises `ModelError` when the hub may not be asked or cannot be reached, or has no such file.
    """
    file = cached_file(name)
    if file is not None:
        return file
    model = PUBLISHED[name]
    fetch(model.repository, [model.file], model.title, "give speakers.embedder a file's path", progress)
    file = cached_file(name)
    if file is None:
        raise ModelError(f"{model.repository} holds no {model.file} any more; take another embedder.")
    return file
