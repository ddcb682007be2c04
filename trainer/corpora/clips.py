"""One labelled clip of an acted speech corpus, and how its samples are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from livemerc.errors import InputError
from livemerc.model.speech import SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Clip:
    """A file with one utterance. `label` indexes `emotions.LABELS`; `speaker` is unique inside its corpus."""

    path: Path
    corpus: str
    clip_id: str
    speaker: str
    male: bool
    label: int


def read_samples(path: Path) -> np.ndarray:
    """Any audio file -> (n,) float32 mono at 16 kHz. Raises `InputError` if it cannot be decoded or is empty."""
    import av

    try:
        with av.open(str(path)) as container:
            resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
            pieces = [
                out.to_ndarray()[0] for frame in [*container.decode(audio=0), None] for out in resampler.resample(frame)
            ]
    except (av.FFmpegError, IndexError, OSError) as error:
        raise InputError(f"{path}: cannot be decoded ({error}); give a file with sound in it.") from error
    if not pieces:
        raise InputError(f"{path}: holds no sound; give a file with sound in it.")
    return np.concatenate(pieces).astype(np.float32)
