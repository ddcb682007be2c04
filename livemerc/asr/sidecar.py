"""Words from a transcript beside the audio (WebVTT, SubRip or STM) instead of a recogniser, aligned by time."""

from __future__ import annotations

import bisect
import html
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from livemerc.asr.caption_text import cues_of
from livemerc.asr.captions import read_captions
from livemerc.asr.cue import Cue, one_line, speaker_name
from livemerc.asr.engine import Transcript, Word
from livemerc.errors import InputError, cause_of
from livemerc.notation import clock
from livemerc.text_safety import encodable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from livemerc.audio.items import Utterance

MAX_BYTES = 8 * 1024 * 1024  # a day of speech is about 2 MB of text
LATE_END_S = 0.5  # subtitles stay on the screen a little longer than the speech

_CHARACTERS_PER_S = 12.0
"""People speak faster: what could be said in the time that an utterance shares with a cue was said in it."""
_WHOLE_SHARE = 0.25
"""A cue that is overlapped by so much is not split: it stayed on the screen while somebody else spoke."""
_SURELY_BEGUN_S = 0.5
_PLACES = 3

_TAG = re.compile(r"<[^<>]*+>")
_ALTERNATIVES = re.compile(r"\{([^{}/]*)/[^{}]*\}")  # STM: { first / second }, the first is taken


class SidecarEngine:
    """Gives each utterance the words of the cues that it overlaps. One session per engine, utterances in order.

    A word is given once at most, cue after cue. A cue over several utterances, or several cues in one, are split by the
    time of each word; words in a pause go to the utterance after it, unless the cue ends first. A cue that the next one
    overlaps ends where that begins (unless it is another speaker's, inside it), and stays whole where much is
    overlapped. `speaker` is the one whose cues overlap the utterance longest. `confidence` is None: nothing was
    recognised. `unread` has a sentence for each line of the file that could not be placed.

    Raises `InputError` with the line when the file cannot be read as what its suffix says (.vtt, .srt, .stm).
    """

    engine = "transcript"

    def __init__(self, path: str | Path) -> None:
        self.model: str | None = encodable(Path(path).name)
        self.unread: list[str] = []
        cues = read_cues(path, self.unread)
        self._cues = _without_overlaps(cues)
        self._whole = [
            cue.end_s - kept.end_s > _WHOLE_SHARE * (cue.end_s - cue.start_s)
            for cue, kept in zip(cues, self._cues, strict=True)
        ]
        self._left = [cue.timed_words() for cue in self._cues]
        self._words = [len(words) for words in self._left]
        self._starts = [cue.start_s for cue in self._cues]
        self._first = 0  # cues before this one have ended before the last utterance
        self._unheard: list[Cue] = []
        self._words_lost = 0

    def transcribe(self, utterance: Utterance) -> Transcript:
        """The words of this stretch that no earlier utterance got."""
        words: list[Word] = []
        heard: dict[str, float] = {}
        # Silence is known up to the decision, except after a forced cut: there the speech goes on.
        known_s = utterance.end_s if utterance.forced_cut else max(utterance.end_s, utterance.decided_s)
        while self._first < len(self._cues) and self._cues[self._first].end_s < utterance.samples_start_s:
            self._pass()
        for i in range(self._first, bisect.bisect_left(self._starts, utterance.end_s)):
            cue = self._cues[i]
            if cue.end_s < utterance.samples_start_s:
                continue
            overlap_s = min(cue.end_s, utterance.end_s) - max(cue.start_s, utterance.start_s)
            if cue.speaker is not None and overlap_s > 0:
                heard[cue.speaker] = heard.get(cue.speaker, 0.0) + overlap_s
            whole = self._is_all_said(i, overlap_s, known_s, forced_cut=utterance.forced_cut)
            count = sum(whole or (word.start_s + word.end_s) / 2 <= utterance.end_s for word in self._left[i])
            words += self._left[i][:count]
            del self._left[i][:count]
        return Transcript(
            text=" ".join(word.text for word in words),
            speaker=max(heard, key=lambda speaker: heard[speaker]) if heard else None,
            words=tuple(words),
        )

    def _is_all_said(self, i: int, overlap_s: float, known_s: float, *, forced_cut: bool) -> bool:
        """Whether what is left of a cue belongs to the utterance that shares `overlap_s` with it."""
        cue = self._cues[i]
        if self._whole[i]:
            half_s = (cue.end_s - cue.start_s) / 2
            return overlap_s >= (half_s if forced_cut else min(_SURELY_BEGUN_S, half_s))
        if forced_cut:
            return False
        characters = sum(len(word.text) + 1 for word in self._left[i]) - 1
        return cue.end_s <= known_s + LATE_END_S or characters <= overlap_s * _CHARACTERS_PER_S

    def _pass(self) -> None:
        """The first cue that is open is over: nothing of it will be given any more."""
        i, self._first = self._first, self._first + 1
        if len(self._left[i]) == self._words[i]:
            self._unheard.append(self._cues[i])
        else:
            self._words_lost += len(self._left[i])

    def cues_unheard(self) -> int:
        """Cues so far that met no speech."""
        return len(self._unheard)

    def last_cue(self) -> str | None:
        """Nobody will speak any more: a sentence about the cues that met no speech, and where; None where all did."""
        while self._first < len(self._cues):
            self._pass()
        if not self._unheard and not self._words_lost:
            return None
        if not self._unheard:
            return f"{self.model}: {self._words_lost} words of cues that went on longer than the speech are left out."
        places = [f"{clock(cue.start_s)} to {clock(cue.end_s)}" for cue in self._unheard[:_PLACES]]
        if len(self._unheard) > _PLACES:
            last = self._unheard[-1]
            places = [*places[: _PLACES - 1], "...", f"{clock(last.start_s)} to {clock(last.end_s)}"]
        many = f"{len(self._unheard)} of {len(self._cues)} cues"
        lost = f", and {self._words_lost} words of others" if self._words_lost else ""
        mend = (
            "it may belong to another recording, or its times are shifted"
            if 2 * len(self._unheard) > len(self._cues)
            else "look there whether something was said that was not heard"
        )
        return f"{self.model}: {many} met no speech ({', '.join(places)}){lost}; {mend}."

    def partial(self, samples: np.ndarray) -> str:
        """Always "": samples carry no time."""
        return ""

    def close(self) -> None:
        """Nothing to free."""


def _without_overlaps(cues: Sequence[Cue]) -> list[Cue]:
    """By start: each ends where the next one begins, unless that is another speaker's and inside it."""
    kept = []
    for i, cue in enumerate(cues):
        end_s = cue.end_s
        for following in cues[i + 1 :]:
            if following.start_s >= end_s:
                break
            inside = following.end_s <= cue.end_s and None not in (cue.speaker, following.speaker)
            if following.start_s > cue.start_s and not (inside and following.speaker != cue.speaker):
                end_s = following.start_s
        kept.append(replace(cue, end_s=end_s))
    return kept


def read_cues(path: str | Path, unread: list[str] | None = None) -> list[Cue]:
    """The cues of a .vtt, .srt or .stm file, by start. unread: gets a sentence for each line that has no time.

    Raises `InputError` that names the line.
    """
    path = Path(path)
    text = _text_of(path, path.suffix.lower())
    told = [] if unread is None else unread
    match path.suffix.lower():
        case ".vtt":
            cues = _read_vtt(path, text, told)
        case ".srt":
            webvtt = re.match(r"\s*WEBVTT\s", text) is not None  # by another name
            cues = cues_of(read_captions(path, text.lstrip() if webvtt else text, webvtt=webvtt, unread=told))
        case _:
            cues = _read_stm(path, text)
    cues.sort(key=lambda cue: (cue.start_s, cue.end_s))
    if not cues:
        raise InputError(f"{path}: the transcript holds no timed text; give another file.")
    return cues


def _text_of(path: Path, suffix: str) -> str:
    if suffix not in (".vtt", ".srt", ".stm"):
        raise InputError(f"{path}: unknown kind of transcript; give a .vtt, .srt or .stm file.")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: larger than {MAX_BYTES >> 20} MiB, no transcript; give another file.")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: the transcript cannot be read ({cause_of(error)}); check --transcript.") from error
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(f"{path}, line {line}: not {encoding[:6].rstrip('-')} text; save it as UTF-8.") from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise InputError(f"{path}, line {line}: binary data, no transcript; give another file.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _read_vtt(path: Path, text: str, unread: list[str]) -> list[Cue]:
    if not re.match(r"WEBVTT(?=\s|$)", text):
        raise InputError(f"{path}, line 1: a WebVTT file begins with WEBVTT; add that line, or name it .srt.")
    return cues_of(read_captions(path, text, webvtt=True, unread=unread))


def _read_stm(path: Path, text: str) -> list[Cue]:
    """NIST segment time marks: `file channel speaker start end [<label>] words`; `;;` begins a comment."""
    cues = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or line.lstrip().startswith(";;"):
            continue
        fields = line.split(None, 5)
        try:
            start_s, end_s = float(fields[3]), float(fields[4])
        except (IndexError, ValueError) as error:
            raise InputError(
                f"{path}, line {number}: not a segment time mark; write `file channel speaker start end words`."
            ) from error
        if not 0 <= start_s <= end_s < 1e9:
            raise InputError(f"{path}, line {number}: impossible times {fields[3]} to {fields[4]}; mend them.")
        words = (
            _TAG.sub("", fields[5], count=1) if len(fields) > 5 and fields[5].startswith("<") else "".join(fields[5:])
        )
        if words.strip().lower() == "ignore_time_segment_in_scoring":
            continue
        words = _clean(_ALTERNATIVES.sub(r"\1", words).replace("(", " ").replace(")", " "))
        if words:
            cues.append(Cue(start_s, end_s, words, speaker_name(fields[2])))
    return cues


def _clean(text: str) -> str:
    """One line of plain text: entities resolved, what would steer a terminal taken out."""
    return one_line(html.unescape(text))
