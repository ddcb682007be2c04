"""One labelled clip of an acted speech corpus."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Clip:
    """A file with one utterance. `label` indexes `emotions.LABELS`; `speaker` is unique inside its corpus."""

    path: Path
    corpus: str
    clip_id: str
    speaker: str
    male: bool
    label: int
