"""The clips of every speech corpus by name, and the voices that babble is made of."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

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
    "readers": partial(read_labelled, corpus="readers"),
    "librispeech": read_librispeech,
    "read": read_read,
}
VOICES: tuple[str, ...] = tuple(_READERS)
"""The speech corpora, as `corpora.sources.SOURCES` names them."""
_BABBLERS = 40


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
    return [clip for clip in read_clips(data, "readers") if part_of(clip) == "A"][:_BABBLERS]
