"""Screening between recogniser and emotion model: text that nobody said must not be judged.

Recognisers write "Thanks for watching!" on near-silence and fall into loops on noise. Screened text is kept for the
screen and marked with a reason; it never reaches the model or the context of later utterances.
"""

from __future__ import annotations

import dataclasses
import math
import re
import zlib
from typing import TYPE_CHECKING

import numpy as np

from livemerc.config import SAMPLE_RATE_HZ
from livemerc.notation import words

if TYPE_CHECKING:
    from collections.abc import Collection

    from livemerc.asr.engine import Transcript
    from livemerc.audio.items import Utterance
    from livemerc.config import ScreeningConfig

TOKENS_PER_WORD = 1.3  # Whisper's English average, for engines that count no tokens
SHORTEST_RATED_S = 0.5  # "oh my god" fits into 0.3 s of voiced frames: rates of shorter stretches say nothing
LOOP_REPEATS = 4  # "oh my god" three times is human
SINGLE_WORD_REPEATS = 10  # "no no no no no", "ha ha ha ha ha ha": people do that
LONGEST_LOOP_WORDS = 8
LOOP_SHARE = 0.6  # share of the text that the loop makes up
NEAR_SILENCE_DB = 15.0  # above `silence_dbfs`: where closing phrases are invented
SHORT_S = 1.0

# What Whisper has learnt from subtitles and writes where it hears nothing.
VIDEO_PHRASES = (
    r"(thanks|thank you)( so much| very much)? for (watching|viewing|listening)( this video| everyone| everybody)?",
    r"(please )?(like and |like comment and |don't forget to (like and )?)?subscribe( to (my|our|the) channel)?",
    r"(i'll |we'll |and i'll |and )?see you (guys )?(in the next (one|video|episode)|next time)",
    r"(subtitles|captions|transcription|transcribed|translated)( made)? by .{1,60}",
    r"(the )?amara org community",
)
# The same, but people say them too: gated only when the audio or the recogniser itself gives little support.
CLOSING_PHRASES = (r"thank you( very much| so much)?", r"thanks", r"bye( bye)?", r"you", r"the end", r"so", r"okay")

_VIDEO = re.compile(rf"(?:(?:and|so|{'|'.join(VIDEO_PHRASES)}|{'|'.join(CLOSING_PHRASES)}) ?)+")
_VIDEO_ONCE = re.compile("|".join(VIDEO_PHRASES))
_CLOSING = re.compile("|".join(CLOSING_PHRASES))
_ANNOTATION = re.compile(r"\[[^\[\]]*+\]|\([^()]*+\)|\*[^*]*+\*|[♪♫♩♬]")


def screen(
    transcript: Transcript,
    utterance: Utterance,
    config: ScreeningConfig,
    *,
    words_are_given: bool = False,
    languages: Collection[str] | None = None,
    spoken: str | None = None,
) -> Transcript:
    """The transcript with `gated` set to a reason, or unchanged when it passes or is gated already.

    Reasons: "empty", "silence", "no speech", "low probability", "language CODE", "too fast", "repetition",
    "closing phrase". `words_are_given`: the text is a person's transcript, no recogniser's guess; then only "empty"
    and "language" apply. `languages`: codes of what the text branch has learnt (None: any); `spoken`: the language
    that the user declared, which outranks the recogniser's.
    """
    if transcript.gated is not None:
        return transcript
    foreign = _foreign(transcript, config, languages, spoken)
    reason = _reason(transcript, utterance, config, words_are_given, foreign)
    return transcript if reason is None else dataclasses.replace(transcript, gated=reason)


def voiced_level(utterance: Utterance) -> tuple[float, float]:
    """Length in seconds and RMS in dBFS (floor -120) of the stretch from the first to the last voiced frame."""
    first = max(0, round((utterance.start_s - utterance.samples_start_s) * SAMPLE_RATE_HZ))
    last = max(first, round((utterance.end_s - utterance.samples_start_s) * SAMPLE_RATE_HZ))
    voiced = utterance.samples[first:last]
    if len(voiced) == 0:
        return 0.0, -120.0
    power = float(np.mean(np.square(voiced, dtype=np.float64)))
    return len(voiced) / SAMPLE_RATE_HZ, 10.0 * math.log10(max(power, 1e-12)) if math.isfinite(power) else -120.0


def _foreign(
    transcript: Transcript, config: ScreeningConfig, languages: Collection[str] | None, spoken: str | None
) -> str | None:
    """The code of the text's language if the text branch has not learnt it."""
    if languages is None:
        return None
    code = _primary(spoken or transcript.language or "")
    unsure = spoken is None and (transcript.language_probability or 0.0) < config.language_probability
    return None if not code or unsure or code in map(_primary, languages) else code


def _primary(code: str) -> str:
    """ "en" of "en-US": dialects do not count."""
    return re.split("[-_]", code.strip().lower(), maxsplit=1)[0]


def _reason(
    transcript: Transcript, utterance: Utterance, config: ScreeningConfig, words_are_given: bool, foreign: str | None
) -> str | None:
    # [Music], (applause), ♪: descriptions of sounds, no words
    heard = words(_ANNOTATION.sub(" ", transcript.text))
    if not heard:
        return "empty"
    if words_are_given:
        return foreign and f"language {foreign}"
    voiced_s, level_dbfs = voiced_level(utterance)
    if level_dbfs < config.silence_dbfs:
        return "silence"
    no_speech, log_probability = transcript.no_speech_probability, transcript.mean_log_probability
    if log_probability is not None:
        if log_probability < config.hopeless_log_probability:
            return "low probability"
        if (
            no_speech is not None
            and no_speech > config.no_speech_probability
            and log_probability < config.mean_log_probability
        ):
            return "no speech"
    if foreign:
        return f"language {foreign}"
    if is_loop(heard) or _compression_ratio(transcript.text) > config.compression_ratio:
        return "repetition"
    weak = (
        level_dbfs < config.silence_dbfs + NEAR_SILENCE_DB
        or (no_speech is not None and no_speech > config.no_speech_probability / 2)
        or (log_probability is not None and log_probability < config.mean_log_probability * 0.7)
    )
    if is_closing_phrase(heard, weak=weak, short=voiced_s < SHORT_S):
        return "closing phrase"
    tokens = transcript.tokens if transcript.tokens is not None else len(heard) * TOKENS_PER_WORD
    if tokens > config.tokens_per_second * max(voiced_s, SHORTEST_RATED_S):
        return "too fast"
    return None


def is_closing_phrase(words: list[str], *, weak: bool, short: bool) -> bool:
    """Whether the text is nothing but what Whisper writes at the end of videos, with little support.

    A video phrase needs weak or short audio; a mere "thank you" or "bye" needs weak audio: people say these.
    """
    if not (weak or short) or len(words) > 24:
        return False
    text = " ".join(words)
    if _VIDEO_ONCE.search(text) and _VIDEO.fullmatch(text):
        return True
    return weak and _CLOSING.fullmatch(text) is not None


def is_loop(words: list[str]) -> bool:
    """Whether a phrase of 1 to 8 words, repeated on and on, makes up most of the text."""
    for n in range(1, min(LONGEST_LOOP_WORDS, len(words) // 2) + 1):
        # words[i] == words[i + n] over a run of length m: the n-gram occurs 1 + m // n times in a row
        run = 0
        for i in range(len(words) - n):
            run = run + 1 if words[i] == words[i + n] else 0
            repeats = 1 + run // n
            if repeats * n < LOOP_SHARE * len(words):
                continue
            if n == 1 and repeats >= SINGLE_WORD_REPEATS:
                return True
            if n > 1 and repeats >= LOOP_REPEATS and len(set(words[i : i + n])) > 1:
                return True
    return False


def _compression_ratio(text: str) -> float:
    data = text.encode("utf-8", "surrogatepass")
    return len(data) / len(zlib.compress(data))
