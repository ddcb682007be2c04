"""Four writings of a line: as it was written, as Whisper writes, without case and punctuation, misheard.

What people felt, transcribers put into marks: "!" tells anger, joy and surprise apart from neutral lines in MELD, and
no recogniser writes it. A model that has to judge what a recogniser wrote must learn from, and be measured on, that.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, get_args

Writing = Literal["written", "whisper", "plain", "misheard"]
WRITINGS: tuple[Writing, ...] = get_args(Writing)
"""`whisper` is the main condition: what is selected, calibrated and reported on."""

_QUOTES_AND_BRACKETS = r"[\"“”„«»‘()\[\]{}]+"
_BETWEEN_WORDS = re.compile(rf"(?<=\w){_QUOTES_AND_BRACKETS}(?=\w)")
_ANYWHERE = re.compile(_QUOTES_AND_BRACKETS)
_MARKS = re.compile(r"\s*[.!?…]*(?:[!?…]|\.\.)[.!?…]*")
_WORD = re.compile(r"\w+(?:['’]\w+)*")

Confusions = Mapping[str, Sequence[tuple[str, float]]]
"""Word in lower case -> what a recogniser heard in its place ("" = nothing) and the chance of it, 1 at most in all."""


def as_whisper(text: str) -> str:
    """The text as Whisper would write it: "!" and an ellipsis become a full stop, "?!" a question mark, quotes and
    brackets go. Nothing else changes."""
    bare = _ANYWHERE.sub("", _BETWEEN_WORDS.sub(" ", text))

    def mark(found: re.Match[str]) -> str:
        follows = bare[found.end() : found.end() + 1]
        return ("?" if "?" in found.group() else ".") + (" " if follows and not follows.isspace() else "")

    return " ".join(_MARKS.sub(mark, bare).split()).lstrip(". ") or text.strip()


def plain(text: str) -> str:
    """The text without case and without punctuation but apostrophes. A text that has no words stays, in lower case."""
    return " ".join(re.findall(r"[\w']+", text.lower())) or text.lower()


def misheard(text: str, confusions: Confusions, rng: random.Random, strength: float = 1.0) -> str:
    """The text in Whisper's writing with words taken for others, as `confusions` have it, each `strength` times as
    likely. Case and stops stay as they come. A text that would lose all its words stays as it is."""
    text = as_whisper(text)

    def heard(found: re.Match[str]) -> str:
        word = found.group()
        draw = rng.random()
        for other, chance in confusions.get(word.lower().replace("’", "'"), ()):
            draw -= chance * strength
            if draw < 0:
                return other.capitalize() if word[:1].isupper() else other
        return word

    out = " ".join(_WORD.sub(heard, text).split())
    return out if _WORD.search(out) else text


def writer(writing: Writing, confusions: Confusions, rng: random.Random) -> Callable[[str], str]:
    """What turns a line as written into `writing`; `rng` is drawn from by `misheard` alone."""
    match writing:
        case "written":
            return str
        case "whisper":
            return as_whisper
        case "plain":
            return plain
        case "misheard":
            return partial(misheard, confusions=confusions, rng=rng)


def read_confusions() -> Confusions:
    """What tiny.en and base took for what, as `trainer/compact/confusions.json` has it."""
    return json.loads((Path(__file__).parent / "confusions.json").read_text())
