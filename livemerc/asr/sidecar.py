"""Words from a transcript beside the audio (WebVTT, SubRip or STM) instead of a recogniser, aligned by time."""

from __future__ import annotations

import bisect
import html
import io
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from livemerc.asr.engine import Transcript, Word
from livemerc.errors import InputError, cause_of
from livemerc.text_safety import encodable

if TYPE_CHECKING:
    from livemerc.audio.items import Utterance

MAX_BYTES = 8 * 1024 * 1024  # a day of speech is about 2 MB of text
MAX_SPEAKER_CHARACTERS = 80
LATE_END_S = 0.5  # subtitles stay on the screen a little longer than the speech

_CLOCK = r"(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,9})"
_TIMING = re.compile(rf"\s*{_CLOCK}\s*-->\s*{_CLOCK}(?:\s.*)?")
# Linear whatever the text: no part can match what its neighbour can, and none looks past the next "<".
_VOICE = re.compile(r"<v(?:\.[^\s<>.]*+)*+\s++([^<>]*+)>")
_TAG = re.compile(r"<[^<>]*+>")
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
        self.model: str | None = encodable(Path(path).name)
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


def _read_vtt(path: Path, text: str) -> list[Cue]:
    if not re.match(r"WEBVTT(?=\s|$)", text):
        raise InputError(f"{path}, line 1: a WebVTT file begins with WEBVTT; add that line, or name it .srt.")
    return _captions(path, text, "vtt")


def _read_srt(path: Path, text: str) -> list[Cue]:
    return _captions(path, text.lstrip(), "srt") if text.strip() else []


def _captions(path: Path, text: str, kind: str) -> list[Cue]:
    import webvtt
    from webvtt.errors import MalformedCaptionError, MalformedFileError

    # webvtt-py passes over blocks that it does not understand: words would be missing without a word about it
    for number, line in enumerate(text.split("\n"), start=1):
        if "-->" in line and (match := _TIMING.fullmatch(line)) is None:
            raise InputError(f"{path}, line {number}: not a cue's timing; write 00:00:01.000 --> 00:00:02.500.")
        if "-->" in line and match is not None and _seconds(*match.groups()[:4]) > _seconds(*match.groups()[4:]):
            raise InputError(f"{path}, line {number}: the cue ends before it starts; swap its times.")
    try:
        captions = webvtt.from_buffer(io.BytesIO(text.encode("utf-8")), format=kind).captions
    except (MalformedFileError, MalformedCaptionError, ValueError) as error:
        raise InputError(f"{path}: not valid {kind} ({' '.join(str(error).split())}); mend it.") from error
    cues = []
    for caption in captions:
        clocks = re.fullmatch(_CLOCK, caption.start), re.fullmatch(_CLOCK, caption.end)
        if clocks[0] is not None and clocks[1] is not None:
            cues += _voices(_seconds(*clocks[0].groups()), _seconds(*clocks[1].groups()), caption.raw_text)
    return cues


def _voices(start_s: float, end_s: float, raw: str) -> list[Cue]:
    """The cue, or one cue for each `<v Speaker>` in it, in proportion to their words."""
    parts = _VOICE.split(raw)  # text, speaker, text, speaker, text ...
    speakers = [None, *parts[1::2]]
    pieces = [(_clean(_TAG.sub("", text)), speaker) for text, speaker in zip(parts[0::2], speakers, strict=True)]
    pieces = [(text, speaker) for text, speaker in pieces if text]
    total = sum(len(text) for text, _ in pieces)
    cues, at = [], start_s
    for text, speaker in pieces:
        end = at + (end_s - start_s) * len(text) / total
        cues.append(Cue(at, end, text, _speaker(speaker)))
        at = end
    return cues


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
            cues.append(Cue(start_s, end_s, words, _speaker(fields[2])))
    return cues


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str) -> float:
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction) / 10 ** len(fraction)


def _clean(text: str) -> str:
    """One line of plain text: entities resolved, terminal controls and invisible formatting taken out."""
    text = html.unescape(text)
    if not text.isprintable():
        control = ("Cc", "Cf", "Cs", "Zl", "Zp")
        text = "".join(c if unicodedata.category(c) not in control or c in "\u200c\u200d" else " " for c in text)
    return " ".join(text.split())


def _speaker(name: str | None) -> str | None:
    return _clean(name)[:MAX_SPEAKER_CHARACTERS] or None if name else None
