"""The teacher's soft labels: what it says of every line of the text corpora, committed, so that nobody trains it again.

`soft_labels.safetensors` beside this file holds no texts: (N, 7) float16 logits for each corpus in the order of its
files, in up to three readings. `livemerc-train train configs/compact.toml --stage teacher` makes it (trainer/LOG.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from livemerc.errors import InputError
from trainer.compact.config import TextCorpus
from trainer.corpora.writings import WRITINGS, Writing

PATH = Path(__file__).parent / "soft_labels.safetensors"
READINGS = ("whisper", "written", "context")
"""Alone in Whisper's writing; of TV lines also alone as written; of MELD also in Whisper's with the lines before, by a
teacher that reads them."""


class SoftLabels:
    """The logits of a file that `write` wrote."""

    def __init__(self, path: Path):
        self.path = path
        self._logits = {name: logits.float() for name, logits in load_file(path).items()}

    def labels(self, corpus: TextCorpus) -> bool:
        """Whether the teacher has labelled the corpus."""
        return f"{corpus}/whisper" in self._logits

    def labels_in_context(self, corpus: TextCorpus) -> bool:
        """Whether it read the lines before those of the corpus."""
        return f"{corpus}/context" in self._logits

    def all(self) -> dict[str, Tensor]:
        """As `write` took them."""
        return dict(self._logits)

    @classmethod
    def shipped(cls) -> SoftLabels:
        return cls(PATH)

    def logits(self, corpus: TextCorpus, reading: str, lines: int) -> Tensor:
        """(lines, 7) float32. Raises `InputError` where the corpus has not the lines that the teacher saw."""
        found = self._logits[f"{corpus}/{reading}"]
        if len(found) != lines:
            raise InputError(
                f"{corpus}: has {lines} lines, and {self.path.name} labels {len(found)}; use the release that "
                "trainer/LOG.md names, or train the teacher again."
            )
        return found

    def of(self, corpus: TextCorpus, lines: int) -> Sequence[Mapping[Writing, np.ndarray]]:
        """What the teacher says of each line in each writing, (7,), summing to 1. Of a line that is misheard or without
        marks it says what it says of Whisper's writing: the words that were meant."""
        whisper = self.logits(corpus, "whisper", lines).softmax(-1).numpy()
        written = whisper
        if f"{corpus}/written" in self._logits:
            written = self.logits(corpus, "written", lines).softmax(-1).numpy()
        return [{w: written[i] if w == "written" else whisper[i] for w in WRITINGS} for i in range(lines)]

    def in_context(self, corpus: TextCorpus, lines: int) -> np.ndarray:
        """What the teacher says of each line with those before it, (lines, 7)."""
        return self.logits(corpus, "context", lines).softmax(-1).numpy()


def write(path: Path, logits: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """`logits`: "corpus/reading" -> (N, 7)."""
    save_file({name: x.to(torch.float16).contiguous() for name, x in logits.items()}, path, dict(metadata))
