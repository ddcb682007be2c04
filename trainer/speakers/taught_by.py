"""Voices that teach: by corpus and speaker clips that are cut alike and are all as loud."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from livemerc.audio.read import read_samples
from livemerc.config import SAMPLE_RATE_HZ
from livemerc.errors import ConfigError
from trainer.corpora.clips import Clip
from trainer.corpora.voices import read_clips

LEVEL = 0.05
"""Root mean square of a clip."""
MOST_CLIPS = 60
_LEAST_S = 0.25

Voices = dict[str, dict[str, list[np.ndarray]]]
"""By corpus and speaker: clips, (n,) float32 at 16 kHz."""


def voices_of(
    data: Path,
    corpora: Sequence[str],
    cut: Callable[[np.ndarray], np.ndarray],
    wanted: Callable[[Clip], bool] = lambda _: True,
) -> Voices:
    """cut: takes of a clip what is no voice. Raises the corpora's `InputError`, and `ConfigError` where a corpus has no
    wanted clip that sounds."""
    found: Voices = {}
    for corpus in corpora:
        by_speaker: dict[str, list[np.ndarray]] = {}
        for clip in filter(wanted, read_clips(data, corpus)):
            clips = by_speaker.setdefault(clip.speaker, [])
            if len(clips) < MOST_CLIPS:
                samples = cut(read_samples(clip.path, SAMPLE_RATE_HZ, clip.start_s, clip.end_s))
                level = float(np.sqrt(np.mean(np.square(samples), dtype=np.float64))) if len(samples) else 0.0
                if level > 0 and len(samples) > _LEAST_S * SAMPLE_RATE_HZ:
                    clips.append(samples * np.float32(LEVEL / level))
        found[corpus] = {speaker: clips for speaker, clips in by_speaker.items() if clips}
        if not found[corpus]:
            raise ConfigError(f"{data}: no voice of {corpus} has a clip that sounds.")
    return found
