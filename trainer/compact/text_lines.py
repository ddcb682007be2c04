"""Lines of the text corpora with what was said before each, and how an encoder reads both."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from livemerc.emotions import LABELS
from livemerc.errors import InputError
from trainer.compact.config import TextCorpus
from trainer.corpora.emorynlp import COUNTERPARTS, parse_emorynlp
from trainer.corpora.text_corpora import read_goemotions, read_meld

FOLDERS: dict[TextCorpus, str] = {
    "meld": "meld", "goemotions": "goemotions", "emorynlp": "emorynlp", "ljspeech": "transcripts"
}  # fmt: skip
"""Below `--data`. LJSpeech (public domain) has no labels."""
SPEAKERS = "ABCDEFGH"
"""Marks of the speakers in an input: A says the line that is judged, B is the last other one, and so on back."""
MOST_BEFORE = 8
"""Lines before that are kept with each."""
_WORD_OR_MARK = re.compile(r"\w+|[^\w\s]")
_NOTHING = np.zeros(len(LABELS), np.float32)


@dataclass(frozen=True, slots=True)
class Reading:
    """A line as an encoder reads it, and what was said `before` it, "" = nothing."""

    text: str
    before: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """An utterance of `corpus` with those `before` it, (speaker, text), oldest first.

    `target`: (7,) over `emotions.LABELS`, summing to 1, or all 0 where it has no label or one without a counterpart.
    """

    corpus: TextCorpus
    speaker: str | None
    text: str
    target: np.ndarray
    before: tuple[tuple[str | None, str], ...] = ()

    @property
    def label(self) -> int:
        return int(self.target.argmax())

    def length(self, context: int) -> int:
        """Words and marks of the line with `context` lines before it: about as many as tokens."""
        return _count(self.text) + sum(_count(text) + 2 for _, text in self.last_before(context))

    def last_before(self, context: int) -> tuple[tuple[str | None, str], ...]:
        """At most `context` lines before."""
        return self.before[max(0, len(self.before) - context) :] if context else ()

    def read(self, write: Callable[[str], str], context: int = 0) -> Reading:
        """The line in a writing, with the last `context` lines before, each with its speaker's mark."""
        marks = {self.speaker: SPEAKERS[0]}
        said = []
        for speaker, text in reversed(self.last_before(context)):
            mark = marks.setdefault(speaker, SPEAKERS[min(len(marks), len(SPEAKERS) - 1)])
            said.append(f"{mark}: {write(text)}")
        return Reading(write(self.text), " ".join(reversed(said)))


def _count(text: str) -> int:
    return len(_WORD_OR_MARK.findall(text))


def read_lines(data: Path, corpus: TextCorpus, split: str = "train") -> list[Line]:
    """All lines of a corpus of `FOLDERS`, in the order of its files. EmoryNLP and LJSpeech have one part, whatever the
    split. Raises `InputError`."""
    folder = data / FOLDERS[corpus]
    if corpus == "meld":
        dialogues = read_meld(folder / f"{split}_sent_emo.csv")
        return [line for d in dialogues for line in _in_order(corpus, [(r.speaker, r.text, r.target) for r in d])]
    if corpus == "goemotions":
        return [Line(corpus, None, r.text, r.target) for r in read_goemotions(folder, split)]
    if corpus == "emorynlp":
        return _emorynlp(folder)
    return [Line(corpus, None, text, _NOTHING) for text in read_ljspeech(data)]


def _in_order(corpus: TextCorpus, rows: Sequence[tuple[str | None, str, np.ndarray]]) -> list[Line]:
    """Lines of one dialogue from (speaker, text, target)."""
    said = [(speaker, text) for speaker, text, _ in rows]
    return [
        Line(corpus, speaker, text, target, tuple(said[max(0, i - MOST_BEFORE) : i]))
        for i, (speaker, text, target) in enumerate(rows)
    ]


def _emorynlp(folder: Path) -> list[Line]:
    """Lines whose label has no counterpart (Peaceful, Powerful) have no target."""
    one = dict(zip(LABELS, np.eye(len(LABELS), dtype=np.float32), strict=True))
    return [
        line
        for path in sorted(folder.glob("*.csv"))
        for scene in parse_emorynlp(path)
        for line in _in_order(
            "emorynlp",
            [(u.speaker, u.text, one.get(COUNTERPARTS.get(u.emotion or "", ""), _NOTHING)) for u in scene],
        )
    ]


def read_ljspeech(data: Path) -> list[str]:
    """The sentences of LJSpeech as they are read aloud (Ito & Johnson 2017, public domain). Raises `InputError`."""
    path = data / FOLDERS["ljspeech"] / "ljspeech_metadata.csv"
    try:
        with path.open(encoding="utf-8") as file:
            return [row[-1] for row in csv.reader(file, delimiter="|", quoting=csv.QUOTE_NONE) if len(row) > 1]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); copy LJSpeech's metadata.csv there.") from error


def tokenize(tokenizer: Any, readings: Sequence[Reading]) -> tuple[Tensor, Tensor, Tensor]:
    """Readings -> token ids, attention mask and the mask of the judged lines' own tokens, each (B, L) int64.

    What was said before stands first, as the first text of a pair; where both are too long its beginning is cut off.
    A line by itself is pooled with its special tokens, as the monitor does.
    """
    befores = _within(tokenizer, readings)
    encodings = [
        tokenizer.encode(before, reading.text) if before else tokenizer.encode(reading.text)
        for before, reading in zip(befores, readings, strict=True)
    ]
    length = max(len(e.ids) for e in encodings)
    ids, mask, own = (torch.zeros(len(readings), length, dtype=torch.long) for _ in range(3))
    for row, encoding in enumerate(encodings):
        size = len(encoding.ids)
        ids[row, :size] = torch.tensor(encoding.ids)
        mask[row, :size] = 1
        own[row, :size] = 1
        if 1 in encoding.sequence_ids:
            own[row, :size] = torch.tensor([int(s == 1) for s in encoding.sequence_ids])
    return ids, mask, own


def _within(tokenizer: Any, readings: Sequence[Reading]) -> list[str]:
    """What was said before each, without what is too long of its beginning. The tokenizer would cut the end off."""
    limit = tokenizer.truncation["max_length"]
    tokenizer.no_truncation()
    try:
        befores = []
        for reading in readings:
            before = reading.before
            if before:
                room = limit - len(tokenizer.encode(reading.text, add_special_tokens=False).ids) - _SPECIAL
                offsets = tokenizer.encode(before, add_special_tokens=False).offsets
                before = "" if room <= 0 else before[offsets[max(0, len(offsets) - room)][0] :]
            befores.append(before)
        return befores
    finally:
        tokenizer.enable_truncation(limit)


_SPECIAL = 4
"""Special tokens of a pair, at most."""
