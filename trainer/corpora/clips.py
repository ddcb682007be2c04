"""One labelled clip of an acted speech corpus."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Clip:
    """One utterance: a file, or the part of it from `start_s` to `end_s` (None = its end). `label` indexes
    `emotions.LABELS`; `speaker` is unique inside its corpus."""

    path: Path
    corpus: str
    clip_id: str
    speaker: str
    male: bool
    label: int
    start_s: float = 0.0
    end_s: float | None = None
