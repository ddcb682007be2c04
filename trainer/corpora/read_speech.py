"""Read, unemotional English, labelled neutral, for the base-rate check: LibriSpeech (CC BY 4.0), LJSpeech, LibriVox."""

from __future__ import annotations

import re
from pathlib import Path

from livemerc.emotions import LABELS
from livemerc.errors import InputError
from trainer.corpora.clips import Clip


def read_librispeech(folder: Path) -> list[Clip]:
    """Clips of `folder/READER-CHAPTER-NUMBER.flac`. The corpus' gender table is not here: `male` is False for all."""
    return _read(folder, "librispeech", "LibriSpeech clips")


def read_read(folder: Path) -> list[Clip]:
    """Clips of `folder/*.flac`: LJSpeech, LibriVox and one public speech; the speaker is the name's first part."""
    return _read(folder, "read", "clips")


def _read(folder: Path, corpus: str, what: str) -> list[Clip]:
    paths = sorted(folder.glob("*.flac"))
    if not paths:
        raise InputError(f"{folder}: no {what} (.flac) here.")
    neutral = LABELS.index("neutral")
    return [Clip(p, corpus, p.stem, re.split("[-_]", p.stem)[0], False, neutral) for p in paths]
