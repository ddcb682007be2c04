"""The audio of a corpus' utterances, as networks take it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from livemerc.audio.read import read_samples, stretch
from livemerc.config import SAMPLE_RATE_HZ


class Recordings:
    """Decodes utterances. `audio`: the file of each that will be asked for: where several lie in one, it is decoded
    once and not anew, from its start, for each of them."""

    def __init__(self, audio: Iterable[Path | None]):
        self._shared = {path for path, n in Counter(audio).items() if n > 1}
        self._whole: tuple[Path, np.ndarray] | None = None

    def samples(self, audio: Path, start_s: float, end_s: float | None) -> np.ndarray:
        """(n,) float32 at 16 kHz, n >= 1. Raises `InputError`."""
        if audio not in self._shared:
            return read_samples(audio, SAMPLE_RATE_HZ, start_s, end_s)
        if self._whole is None or self._whole[0] != audio:
            self._whole = (audio, read_samples(audio, SAMPLE_RATE_HZ))
        return stretch(self._whole[1], SAMPLE_RATE_HZ, start_s, end_s, audio)
