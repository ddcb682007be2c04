"""Words from a transcript beside the audio (WebVTT, SubRip or STM) instead of a recogniser, aligned by time."""

from __future__ import annotations

import bisect
import html
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from livemerc.asr.engine import Transcript, Word
from livemerc.errors import InputError

if TYPE_CHECKING:
    from livemerc.audio.items import Utterance

MAX_BYTES = 32 * 1024 * 1024  # a day of speech is about 2 MB of text
MAX_SPEAKER_CHARACTERS = 80
LATE_END_S = 0.5  # subtitles stay on the screen a little longer than the speech

_CLOCK = r"(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,9})"
_TIMING = re.compile(rf"\s*{_CLOCK}\s*-->\s*{_CLOCK}(?:\s.*)?")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)*\s+([^>]*)>")
_TAG = re.compile(r"<[^>]*>")
_ALTERNATIVES = re.compile(r"\{([^{}/]*)/[^{}]*\}")  # STM: { first / second }, the first is taken


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


class SidecarEngine:
    """Gives each utterance the words of the cues that it overlaps. One session per engine, utterances in order.

    A word is given once at most. A cue over several utterances, or several cues in one, are split by the time of each
    word; words in a pause go to the utterance after it, unless the cue ends first. `speaker` is the one whose cues
    overlap the utterance longest. `confidence` is None: nothing was recognised.

    Raises `InputError` with the line when the file cannot be read as what its suffix says (.vtt, .srt, .stm).
    """

    engine = "transcript"

    def __init__(self, path: str | Path) -> None:
        self.model: str | None = Path(path).name
        self._cues = read_cues(path)
        self._left = [cue.timed_words() for cue in self._cues]
        self._starts = [cue.start_s for cue in self._cues]
        self._first = 0  # cues before this one have ended before the last utterance

    def transcribe(self, utterance: Utterance) -> Transcript:
        """The words of this stretch that no earlier utterance got."""
        words: list[Word] = []
        heard: dict[str, float] = {}
        # Silence is known up to the decision, except after a forced cut: there the speech goes on.
        known_s = utterance.end_s if utterance.forced_cut else max(utterance.end_s, utterance.decided_s)
        while self._first < len(self._cues) and self._cues[self._first].end_s < utterance.samples_start_s:
            self._first += 1
        for i in range(self._first, bisect.bisect_left(self._starts, utterance.end_s)):
            cue = self._cues[i]
            if cue.end_s < utterance.samples_start_s:
                continue
            overlap_s = min(cue.end_s, utterance.end_s) - max(cue.start_s, utterance.start_s)
            if cue.speaker is not None and overlap_s > 0:
                heard[cue.speaker] = heard.get(cue.speaker, 0.0) + overlap_s
            whole = not utterance.forced_cut and cue.end_s <= known_s + LATE_END_S
            count = sum(whole or (word.start_s + word.end_s) / 2 <= utterance.end_s for word in self._left[i])
            words += self._left[i][:count]
            del self._left[i][:count]
        words.sort(key=lambda word: word.start_s)
        return Transcript(
            text=" ".join(word.text for word in words),
            speaker=max(heard, key=lambda speaker: heard[speaker]) if heard else None,
            words=tuple(words),
        )

    def partial(self, samples: np.ndarray) -> str:
        """Always "": samples carry no time."""
        return ""

    def close(self) -> None:
        """Nothing to free."""


def read_cues(path: str | Path) -> list[Cue]:
    """The cues of a .vtt, .srt or .stm file, by start. Raises `InputError` that names the line."""
    path = Path(path)
    readers = {".vtt": _read_vtt, ".srt": _read_srt, ".stm": _read_stm}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path}: unknown kind of transcript; give a .vtt, .srt or .stm file.")
    cues = sorted(reader(path, _text_of(path)), key=lambda cue: (cue.start_s, cue.end_s))
    if not cues:
        raise InputError(f"{path}: the transcript holds no timed text; give another file.")
    return cues


def _text_of(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: larger than {MAX_BYTES >> 20} MiB, no transcript; give another file.")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: the transcript cannot be read ({error.strerror}); check --transcript.") from error
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


def _read_vtt(path: Path, text: str) -> list[Cue]:
    import webvtt

    if not re.match(r"WEBVTT(?=\s|$)", text):
        raise InputError(f"{path}, line 1: a WebVTT file begins with WEBVTT; add that line, or name it .srt.")
    _check_timings(path, text)
    try:
        captions = webvtt.from_string(text).captions
    except (webvtt.MalformedFileError, webvtt.MalformedCaptionError, ValueError) as error:
        raise InputError(f"{path}: not valid WebVTT ({error}); mend it.") from error
    cues = []
    for caption in captions:
        voice = _VOICE.search(caption.raw_text)
        cues += _cue(caption.start_in_seconds, caption.end_in_seconds, caption.raw_text, voice and voice[1], caption)
    return cues


def _read_srt(path: Path, text: str) -> list[Cue]:
    import webvtt

    _check_timings(path, text)
    try:
        captions = webvtt.from_string(text.lstrip(), format="srt").captions if text.strip() else []
    except (webvtt.MalformedFileError, webvtt.MalformedCaptionError, ValueError) as error:
        raise InputError(f"{path}: not valid SubRip ({error}); mend it.") from error
    return [cue for c in captions for cue in _cue(c.start_in_seconds, c.end_in_seconds, c.raw_text, None)]
