"""What is said in captions, and by whom: names before it, sounds beside it, and what a rolling display repeats."""

from __future__ import annotations

import html
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from livemerc.asr.captions import Caption
from livemerc.asr.cue import Cue, one_line, speaker_name

# Linear whatever the text: no part can match what its neighbour can, and none looks past the next "<".
_VOICE = re.compile(r"<v(?:\.[^\s<>.]*+)*+\s++([^<>]*+)>")
_TAG = re.compile(r"<[^<>]*+>")
_INNER_TIME = re.compile(r"<\d[\d:.]*+>")
_POSITION = re.compile(r"\{(?:\\|[A-Za-z]:)[^{}]*+\}")
_NOTES = "♩♪♫♬🎵🎶"
_MUSIC = (
    re.compile(rf"[{_NOTES}][^{_NOTES}\n]*+[{_NOTES}]"),
    re.compile(rf"[{_NOTES}][^{_NOTES}]*+[{_NOTES}]"),
    re.compile(rf"[{_NOTES}][^{_NOTES}\n]*+"),
)
_BRACKETED_MUSIC = re.compile(rf"[\[(][^\[\](){_NOTES}]*+[{_NOTES}][^\[\]()]*+[\])]")
_SOUND = re.compile(r"\[[^\[\]]*+\](?!\s?[:：])|【[^【】]*+】")
_ASIDE = re.compile(r"\([^()]*+\)|（[^（）]*+）")
_SOUNDS = frozenset(("applause", "laughter", "music", "noise", "silence", "inaudible", "indistinct", "crosstalk"))
_SOUND_WORDS = 3
_STARRED = re.compile(r"\s*\*[^*]++\*\s*")
_CHANGE = re.compile(r"\s*(?:[-–—]|>{2,3})\s*(?=\S)")
_BRACKETED = re.compile(r"\s*[\[(]([^\[\]()]{1,80})[\])]\s*[:：]\s*")
_DIARISED = re.compile(r"\s*[\[(]((?:speaker|spk)[ _-]?\w{1,8})[\])]\s*", re.IGNORECASE)
_NAMED = re.compile(r"\s*([^\W\d_][^:：\[\]()<>\n]{0,39})(?:[\[(][^\[\]()]{0,40}[\])]\s?)?[:：](?:\s+|$)")
_MOST_WORDS = 6
_SHOUTED_SHARE = 0.7
_PARTICLES = frozenset(
    ("al", "bin", "da", "de", "del", "den", "der", "di", "el", "la", "le", "of", "the", "van", "von", "&")
)
_ROLLING_PAIRS, _ROLLING_SHARE = 3, 0.6
_NAMED_SHARE = 0.6

_Line = tuple[str | None, str]
"""Who says it by a voice tag, and the text."""


def cues_of(captions: Sequence[Caption]) -> list[Cue]:
    """What is said, in the captions' order: no tags, names or sounds in it, each word of rolling captions once."""
    shown = [(caption, _lines(caption)) for caption in captions]
    shown = [(caption, lines) for caption, lines in shown if lines]
    if _is_rolling([[text for _, text in lines] for _, lines in shown]):
        shown = _once(shown)
    names = _names(line for _, lines in shown for line in lines)
    cues: list[Cue] = []
    for caption, lines in shown:
        cues += _said(caption, lines, names)
    return list(dict.fromkeys(cues))  # a layer that was written twice


def _lines(caption: Caption) -> list[_Line]:
    """Its lines without tags, sounds and music; a voice goes on until the next."""
    text = _POSITION.sub("", "\n".join(caption.lines)).replace("\\N", "\n").replace("\\h", " ")
    parts = _VOICE.split(text)
    lines: list[_Line] = []
    for voice, part in zip([None, *parts[1::2]], parts[0::2], strict=True):
        plain = _BRACKETED_MUSIC.sub(" ", html.unescape(_TAG.sub("", part)))
        for pattern in _MUSIC:
            plain = pattern.sub(" ", plain)
        for line in plain.split("\n"):
            diarised = _DIARISED.match(line)
            head = "" if diarised is None else line[: diarised.end()]
            line = head + one_line(_SOUND.sub(" ", line[len(head) :]))
            if head or _BRACKETED.match(line) or _spoken(line):
                lines.append((voice, line))
    return lines


def _spoken(line: str) -> str:
    """What is said in a line, without asides that are sounds."""
    line = one_line(_ASIDE.sub(lambda aside: "" if _is_sound(aside[0], line) else aside[0], line))
    return "" if _STARRED.fullmatch(line) or not any(map(str.isalnum, line)) else line


def _is_sound(aside: str, line: str) -> bool:
    """Whether what stands in round brackets is a sound: alone in its line, in capitals, or before the words and of
    something that sounds."""
    if line.strip(" -–—") == aside or (aside.isupper() and len(aside) > 3):
        return True
    said = aside[1:-1].casefold().split()
    sounds = bool(said) and (said[-1] in _SOUNDS or said[-1].endswith(("s", "ing")))
    return sounds and len(said) <= _SOUND_WORDS and line.lstrip(" -–—").startswith(aside)


# -- rolling captions --------------------------------------------------------------------------------------------------


def _is_rolling(texts: Sequence[Sequence[str]]) -> bool:
    """Whether captions show again what the ones before showed, as those of video sites and broadcasts do."""
    pairs = [_repeated(before, now) > 0 for before, now in itertools.pairwise(texts)]
    return sum(pairs) >= _ROLLING_PAIRS and sum(pairs) >= _ROLLING_SHARE * len(pairs)


def _repeated(before: Sequence[str], now: Sequence[str]) -> int:
    """How many lines at the beginning of `now` stood at the end of `before`; the last one may have grown."""
    for count in range(min(len(before), len(now)), 0, -1):
        old, new = before[-count:], now[:count]
        if list(old[:-1]) == list(new[:-1]) and _grown(old[-1], new[-1]) is not None:
            return count
    return 0


def _grown(old: str, new: str) -> list[str] | None:
    """The words that `new` has behind those of `old`; None where it does not begin with them."""
    before, now = old.split(), new.split()
    return now[len(before) :] if now[: len(before)] == before else None


def _once(shown: Sequence[tuple[Caption, list[_Line]]]) -> list[tuple[Caption, list[_Line]]]:
    found: list[tuple[Caption, list[_Line]]] = []
    before: list[str] = []
    for caption, lines in shown:
        now = [text for _, text in lines]
        count = _repeated(before, now)
        fresh = lines[count:]
        if count and (rest := _grown(before[-1], now[count - 1])):
            fresh = [(lines[count - 1][0], " ".join(rest)), *fresh]
        if fresh:
            found.append((caption, fresh))
        before = now
    return found


# -- who says it -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Names:
    """Which words before a colon are names, by the whole file."""

    counts: Counter[str]
    common: bool
    """Most lines begin with something like a name."""
    shouted: bool
    """All is in capitals: they mark no name."""

    def has(self, name: str) -> bool:
        words = name.split()
        if not words or len(words) > _MOST_WORDS:
            return False
        if self.shouted:
            return self.counts[name] > 1
        if self.common:
            return True
        capitals = [word[0].isupper() or word[0].isdigit() for word in words]
        if name.isupper() and sum(map(str.isalpha, name)) > 1:
            return True
        proper = capitals[0] and all(big or word in _PARTICLES for big, word in zip(capitals, words, strict=True))
        return proper and (len(words) > 1 or self.counts[name] > 1)


def _names(lines: Iterable[_Line]) -> _Names:
    counts: Counter[str] = Counter()
    total = small = capital = 0
    for voice, line in lines:
        small += sum(map(str.islower, line))
        capital += sum(map(str.isupper, line))
        if voice is None:
            total += 1
            if named := _NAMED.match(_CHANGE.sub("", line, count=1) if _CHANGE.match(line) else line):
                counts[named[1].strip()] += 1
    found = sum(counts.values())
    common = found > 1 and found >= _NAMED_SHARE * total
    return _Names(counts, common, shouted=capital > _SHOUTED_SHARE * (small + capital))


def _said(caption: Caption, lines: Sequence[_Line], names: _Names) -> list[Cue]:
    """The cue, or one cue for each speaker in it, in proportion to their words."""
    pieces: list[tuple[str | None, str]] = []
    speaker: str | None = None
    for voice, line in lines:
        if change := _CHANGE.match(line):
            line, speaker = line[change.end() :], None
        name, line = _name(line, names)
        speaker = speaker_name(voice) or name or speaker
        text = _spoken(line)
        if text and pieces and pieces[-1][0] == speaker:
            pieces[-1] = (speaker, f"{pieces[-1][1]} {text}")
        elif text:
            pieces.append((speaker, text))
    total = sum(len(text) for _, text in pieces)
    cues, at = [], caption.start_s
    for number, (speaker, text) in enumerate(pieces, start=1):
        share = (caption.end_s - caption.start_s) * len(text) / total
        end_s = caption.end_s if number == len(pieces) else min(caption.end_s, at + share)
        cues.append(Cue(at, end_s, text, speaker))
        at = end_s
    return cues


def _name(line: str, names: _Names) -> tuple[str | None, str]:
    """Who is named before the words, and the rest of the line."""
    marked = _BRACKETED.match(line) or _DIARISED.match(line)
    if marked:
        return speaker_name(marked[1]), line[marked.end() :]
    named = _NAMED.match(line)
    if named and names.has(named[1].strip()):
        return speaker_name(named[1]), line[named.end() :]
    return None, line
