"""Which speakers train the compact speech encoder, which ones select its epoch, and which ones no stage hears."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from trainer.corpora.clips import Clip

FILE = Path(__file__).parents[1] / "speech_split.json"


@functools.cache
def speaker_split() -> dict[str, dict[str, Any]]:
    """Parts A (trains), B (selects and calibrates) and C (unseen), each {corpus: its speakers, "use": what for}."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def part_of(clip: Clip) -> str | None:
    """Part A, B or C of the clip's speaker; None for a speaker of none."""
    return next((part for part, of in speaker_split().items() if clip.speaker in of.get(clip.corpus, ())), None)
