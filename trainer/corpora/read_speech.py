"""Read, unemotional English, labelled neutral, for the base-rate check: LibriSpeech (CC BY 4.0), LJSpeech, LibriVox."""

from __future__ import annotations

from pathlib import Path

from livemerc.emotions import LABELS
from livemerc.errors import InputError
from trainer.corpora.clips import Clip


def read_librispeech(folder: Path) -> list[Clip]:
    """Clips of `folder/READER-CHAPTER-NUMBER.flac`. The corpus' gender table is not here: `male` is False for all."""
    paths = sorted(folder.glob("*.flac"))
    if not paths:
        raise InputError(f"{folder}: no LibriSpeech clips (.flac) here.")
    neutral = LABELS.index("neutral")
    return [Clip(p, "librispeech", p.stem, p.stem.split("-")[0], False, neutral) for p in paths]


def read_read(folder: Path) -> list[Clip]:
    """Clips of `folder/*.flac`: LJSpeech, LibriVox and one public speech; the speaker is the name's first part."""
    paths = sorted(folder.glob("*.flac"))
    if not paths:
        raise InputError(f"{folder}: no clips (.flac) here.")
    neutral = LABELS.index("neutral")
    return [Clip(p, "read", p.stem, p.stem.split("_")[0].split("-")[0], False, neutral) for p in paths]
