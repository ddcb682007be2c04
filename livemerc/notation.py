"""How times, probabilities and speakers look on every screen and in every plain line, and how words are counted."""

from __future__ import annotations

import re
from collections.abc import Mapping

SPEAKER_COLOURS = ("#7676f4", "#a0c464", "#f028b4", "#28f4f4", "#ac9458", "#f03c64", "#b466db", "#b8e8c4")
"""Far from each other and from every emotion's: two people took those for one (a blue S1 for sadness)."""
_BY_VOICE = re.compile(r"S([1-9]\d?)")
"""Ids of speakers who are told apart by the voice."""
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def clock(seconds: float, *, tenths: bool = False) -> str:
    """`00:12`, `1:02:03`, with `tenths` `00:12.3`."""
    whole = int(seconds * 10) if tenths else int(seconds) * 10
    minutes, second = divmod(whole // 10, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}:{minutes:02}:{second:02}" if hours else f"{minutes:02}:{second:02}"
    return f"{text}.{whole % 10}" if tenths else text


def seconds(text: str) -> float:
    """The inverse of `clock`, as people write it: `12:30`, `1:02:03.5`, or plain seconds. Raises `ValueError`."""
    if not re.fullmatch(r"(?:\d{1,4}:[0-5]?\d:[0-5]?\d|\d{1,5}:[0-5]?\d|\d{1,8})(?:\.\d{1,9})?", text, re.ASCII):
        raise ValueError("not a time; write 12:30 (minutes:seconds), 1:02:03 or plain seconds")
    total_s = 0.0
    for part in text.split(":"):
        total_s = total_s * 60 + float(part)
    return total_s


def fraction(probability: float) -> str:
    """`.82`; `1.0` when it rounds to one."""
    text = f"{probability:.2f}"
    return text[1:] if text.startswith("0") else "1.0"


def words(text: str) -> list[str]:
    """The words of `text` in lower case and without punctuation: what transcripts are compared and counted by."""
    return _WORD.findall(text.lower().replace("’", "'"))


def ids_of_names(names: Mapping[str, str | None]) -> dict[str, str]:
    """The id of each name that `names` has by ids; of a name that several have, the first id in order of length and
    letters (S2 before S10), so that one name has one colour."""
    ids = sorted(names, key=lambda speaker: (len(speaker), speaker), reverse=True)
    return {name: speaker for speaker in ids if (name := names[speaker])}


def speaker_colour(speaker: str | None) -> int | None:
    """Place in `SPEAKER_COLOURS` of who is told apart by the voice alone, by the id (S1, S2, ...), whatever they are
    called; None for everybody else."""
    found = None if speaker is None else _BY_VOICE.fullmatch(speaker)
    return None if found is None else (int(found[1]) - 1) % len(SPEAKER_COLOURS)
