"""The audio of a corpus' utterances as networks take it, and the utterances that the live ears find in a recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from livemerc.audio.ears import Ears
from livemerc.audio.file_source import FileSource
from livemerc.audio.items import EarItem
from livemerc.audio.read import read_samples, stretch
from livemerc.config import SAMPLE_RATE_HZ, Config


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


def hear(
    config: Config,
    path: Path,
    begin_s: float = 0.0,
    stop_s: float = float("inf"),
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[EarItem]:
    """What the live ears make of `path` from `begin_s` to `stop_s`, to the block; times are the recording's. `say` is
    told what is cut short.

    Raises `InputError` for a file that cannot be read.
    """
    source = FileSource(path, speed=0, block_ms=config.audio.block_ms)
    ears = Ears(config, source.rate_hz)
    try:
        for block in source.blocks():
            if block.start_s >= stop_s:
                break
            if block.start_s + len(block.samples) / source.rate_hz > begin_s:
                yield from ears.feed(block)
        yield from ears.flush()
    finally:
        source.close()
    for warning in source.warnings:
        say(warning)
