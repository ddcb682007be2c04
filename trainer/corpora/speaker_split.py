"""Which speakers train the voice, which ones are set apart for fusion, and which ones no stage hears."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from livemerc.errors import InputError
from trainer.corpora.clips import Clip

FILE = Path(__file__).parents[1] / "speech_split.json"


@functools.cache
def speaker_split() -> dict[str, dict[str, Any]]:
    """Parts A (trains), B (set apart) and C (unseen), each {corpus: its speakers or "all", "use": what for}."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def part_of(clip: Clip) -> str:
    """Part A, B or C of the clip's speaker. Raises `InputError` for a speaker of none."""
    for part, of in speaker_split().items():
        speakers = of.get(clip.corpus, ())
        if speakers == "all" or clip.speaker in speakers:
            return part
    raise InputError(f"{clip.path}: speaker {clip.speaker} of {clip.corpus} is in no part of {FILE.name}; add it.")
