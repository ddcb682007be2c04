"""What a transcript beside the audio consists of."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from livemerc.asr.engine import Word

MAX_SPEAKER_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Cue:
    """One timed piece of text."""

    start_s: float
    end_s: float
    text: str
    speaker: str | None = None

    def timed_words(self) -> list[Word]:
        """The words, each with a share of the cue's time that is proportional to its length in characters."""
        words = self.text.split()
        total = sum(len(word) + 1 for word in words)
        timed, at = [], self.start_s
        for word in words:
            length = (self.end_s - self.start_s) * (len(word) + 1) / total
            timed.append(Word(word, at, at + length))
            at += length
        return timed


def one_line(text: str) -> str:
    """One line of plain text: terminal controls and invisible formatting taken out."""
    if not text.isprintable():
        control = ("Cc", "Cf", "Cs", "Zl", "Zp")
        text = "".join(c if unicodedata.category(c) not in control or c in "\u200c\u200d" else " " for c in text)
    return " ".join(text.split())


def speaker_name(name: str | None) -> str | None:
    """As it goes into events; None where nothing of it can be shown."""
    return one_line(name)[:MAX_SPEAKER_CHARACTERS].strip() or None if name else None
