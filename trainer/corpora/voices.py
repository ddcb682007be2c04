"""The clips of every speech corpus by name, and the voices that babble is made of."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from livemerc.errors import ConfigError
from trainer.corpora.audio_check import probe_s
from trainer.corpora.clips import Clip
from trainer.corpora.labelled_clips import read_labelled
from trainer.corpora.nemo import read_nemo
from trainer.corpora.ravdess import read_ravdess
from trainer.corpora.read_speech import read_librispeech, read_read
from trainer.corpora.speaker_split import part_of

_READERS: dict[str, Callable[[Path], list[Clip]]] = {
    "ravdess": read_ravdess,
    "nemo": read_nemo,
    "emodb": partial(read_labelled, corpus="emodb"),
    "emovo": partial(read_labelled, corpus="emovo"),
    "emotiontts": partial(read_labelled, corpus="emotiontts"),
    "rakshak": partial(read_labelled, corpus="rakshak"),
    "ased": partial(read_labelled, corpus="ased"),
    "emogator": partial(read_labelled, corpus="emogator"),
    "readers": lambda folder: in_pieces(read_labelled(folder, "readers")),
    "librispeech": read_librispeech,
    "read": read_read,
}
VOICES: tuple[str, ...] = tuple(_READERS)
"""The speech corpora, as `corpora.sources.SOURCES` names them."""
_BABBLERS = 40
_SHORTEST_S, _LONGEST_S = 1.5, 6.0
"""Of the pieces that readers are cut into, as utterances vary."""


def in_pieces(clips: list[Clip]) -> list[Clip]:
    """Each clip in pieces of 1.5 to 6 s, drawn by its name: somebody who reads aloud then has several utterances, and
    neutral speech a neutral baseline, of all lengths. Raises `InputError` for a file that cannot be opened."""
    pieces = []
    for clip in clips:
        rng = np.random.default_rng(zlib.crc32(clip.clip_id.encode()))
        length_s = probe_s(clip.path)[0]
        starts = [0.0]
        while length_s - (end := starts[-1] + float(rng.uniform(_SHORTEST_S, _LONGEST_S))) >= _SHORTEST_S:
            starts.append(end)
        pieces += [
            replace(clip, clip_id=f"{clip.clip_id}.{k}", start_s=start, end_s=end)
            for k, (start, end) in enumerate(zip(starts, [*starts[1:], None], strict=True))
        ]
    return pieces


def folder_of(corpus: str) -> str:
    """The folder of the corpus below `--data`."""
    return f"speech/{corpus}" if corpus in ("librispeech", "read") else corpus


def read_clips(data: Path, corpus: str) -> list[Clip]:
    """All clips of a corpus of `VOICES`, from its folder below `data`. Raises its reader's `InputError`."""
    return _READERS[corpus](data / folder_of(corpus))


def babble_clips(data: Path) -> list[Clip]:
    """Readers who train the voice and on whom nothing is measured: what is measured is never heard in the background.

    Raises `InputError`.
    """
    readers = read_labelled(data / folder_of("readers"), "readers")
    return [clip for clip in readers if part_of(clip) == "A"][:_BABBLERS]


def known(corpora: Sequence[str]) -> Sequence[str]:
    """The same. Raises `ConfigError` for one that is no corpus of voices."""
    for name in corpora:
        if name not in VOICES:
            raise ConfigError(f"--corpora {name}: no such corpus; there are {', '.join(VOICES)}.")
    return corpora
