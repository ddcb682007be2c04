"""Which audio files a release's folder holds, by the names that its tables use."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from livemerc.errors import InputError
from trainer.files import told

# In order of preference where an utterance lies there twice: sound files before the video they were cut from.
EXTENSIONS = (
    ".wav", ".flac", ".w64", ".aif", ".aiff", ".au", ".caf", ".opus", ".ogg", ".oga", ".mp3", ".m4a", ".aac", ".wma",
    ".mp4", ".mkv", ".mov", ".webm", ".avi",
)  # fmt: skip


def audio_files(folder: Path, *, deep: bool = False) -> Iterable[Path]:
    """Audio and video files of `folder` (`deep`: and below), the preferred format of a name first.

    AppleDouble files (`._name`), which several releases carry, are no audio. Raises `InputError`.
    """
    with told(InputError, f"{folder}: cannot be listed", "check its permissions"):
        found = [
            p
            for p in (folder.rglob("*") if deep else folder.iterdir())
            if p.suffix.lower() in EXTENSIONS and not p.name.startswith(".") and p.is_file()
        ]
    return sorted(found, key=lambda p: (EXTENSIONS.index(p.suffix.lower()), p))


def by_stem(folder: Path) -> dict[str, Path]:
    """{name without extension: file} of `folder`; empty where there is no such folder."""
    index: dict[str, Path] = {}
    if folder.is_dir():
        for path in audio_files(folder):
            index.setdefault(path.stem, path)
    return index
