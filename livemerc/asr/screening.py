"""Screening between recogniser and emotion model: text that nobody said must not be judged.

Recognisers write "Thanks for watching!" on near-silence, fall into loops on noise, and write "Oh." for a cry. Screened
text is kept for the screen and marked with a reason; it never reaches the model or the context of later utterances.
Where the reason is that nobody speaks, the voice is not judged either. docs/screening.md has the limits' figures.
"""

from __future__ import annotations

import dataclasses
import math
import re
import unicodedata
import zlib
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from livemerc.config import SAMPLE_RATE_HZ
from livemerc.events import NO_SPEECH
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
NOTHING_DBFS = -90.0  # a step of 16-bit audio: below, nothing was recorded, however sure a recogniser is
NEAR_SILENCE_DB = 15.0  # above `silence_dbfs`: where closing phrases are invented
SHORT_S = 1.0
LONG_S = 1.5  # from here on text that is gated is as likely another language as no speech
TALK_S = 30.0  # so long after a sentence a word alone is probably an answer; where nobody talks there are none
TALK_UTTERANCES = 8
TALK_SHARE = 0.17  # of the limits of what must have been said
LEAST_NO_SPEECH = 0.03  # below it somebody speaks, whatever he says
FEW_WORDS = 3  # what a cry or a tune is taken for
LENGTH_EXPONENT = 0.19  # how the confidence that an English-only Whisper has in English grows with seconds of speech
LATIN = frozenset(re.findall(
    r"\w+",
    "af az bs ca cs cy da de en es et eu fi fo fr gl hr ht hu id is it la lb ln lt lv mg mi ms mt nl nn no oc pl pt ro "
    "sk sl sn so sq su sv sw tk tl tr uz vi yo",
))  # fmt: skip
"""Codes of languages that are written in Latin letters."""

# What Whisper has learnt from subtitles and writes where it hears nothing.
VIDEO_PHRASES = (
    r"(thanks|thank you)( so much| very much)? for (watching|viewing|listening)( this video| everyone| everybody)?",
    r"(please )?(like and |like comment and |don't forget to (like and )?)?subscribe( to (my|our|the) channel)?",
    r"(i'll |we'll |and i'll |and )?see you (guys )?(in the next (one|video|episode)|next time)",
    r"(subtitles|captions|transcription|transcribed|translated)( made)? by .{1,60}",
    r"(the )?amara org community",
)
# The same, but people say them too: gated only when the audio or the recogniser itself gives little support.
CLOSING_PHRASES = (
    r"thank you( very much| so much| all)?", r"thanks", r"(good ?)?bye( bye)?", r"you", r"the end", r"so", r"okay",
    r"good night", r"see you( later| soon| again)?",
)  # fmt: skip

_VIDEO = re.compile(rf"(?:(?:and|so|{'|'.join(VIDEO_PHRASES)}|{'|'.join(CLOSING_PHRASES)}) ?)+")
_VIDEO_ONCE = re.compile("|".join(VIDEO_PHRASES))
_CLOSING = re.compile(rf"(?:(?:and|{'|'.join(CLOSING_PHRASES)}) ?)+")  # phrase by phrase: "Okay, bye."
# What is written where somebody laughs, cries, sighs or hums: "Ah, ah!", "Ha ha", "Hmm", "Whoa". Possessive, so that
# no word takes long.
_SOUND = re.compile(
    r"a+h*|a+w+|e+h*|e+w+|o+h*|o+w+|u+h+|u+m+|u+g+h+|m+h*m*|h+m+|h+u+h|f+u+h+|r+|(w++h?o++a*+(h++o*+)*+)++|w+o+w+|phe+w+|ya+y+|"
    r"(a*+h++[aeou]++)++h*|ye+a+h*|ye+ha+w*|du+h+|sh+|ps+t|uh ?huh|mm ?hm+"
)
_ANNOTATION = re.compile(r"\[[^\[\]]*+\]|\([^()]*+\)|\*[^*]*+\*|[♪♫♩♬]")


class Talk:
    """Where people are talking: a word alone is believed sooner right after a sentence than after a cry.

    One for each conversation. What an utterance is believed for depends on earlier ones alone, so that one that is
    heard twice (ahead of its end, and then as the final) is judged in the same way.
    """

    def __init__(self) -> None:
        self._ends_s: dict[str, float] = {}  # of utterances with sentences that the recogniser is sure of

    def heard(self, utterance: Utterance, transcript: Transcript, config: ScreeningConfig) -> None:
        """Takes in a screened transcript; the last one of an utterance counts."""
        self._ends_s.pop(utterance.utterance_id, None)
        confidence = transcript.confidence
        sure = transcript.gated is None and confidence is not None and confidence >= config.sure_confidence
        if sure and len(words(transcript.text)) > FEW_WORDS:
            self._ends_s[utterance.utterance_id] = utterance.end_s
            self._ends_s = dict(list(self._ends_s.items())[-TALK_UTTERANCES:])

    def near(self, utterance: Utterance) -> bool:
        """Whether somebody has just talked."""
        return any(
            utterance.start_s - end_s <= TALK_S
            for utterance_id, end_s in self._ends_s.items()
            if utterance_id != utterance.utterance_id
        )


def screen(
    transcript: Transcript,
    utterance: Utterance,
    config: ScreeningConfig,
    *,
    words_are_given: bool = False,
    languages: Collection[str] | None = None,
    spoken: str | None = None,
    amid_talk: bool = False,
) -> Transcript:
    """The transcript with `gated` set to a reason, or unchanged when it passes or is gated already.

    Reasons: "empty", "silence", "no speech", "low probability", "language CODE", "script NAME", "too fast",
    "repetition", "closing phrase". Of these "no speech" says that the voice must not be judged either.
    `words_are_given`: the text is a person's transcript, no recogniser's guess; then only "empty" and the language
    apply. `languages`: codes of what the text branch has learnt (None: any); `spoken`: the language
    that the user declared, which outranks the recogniser's.
    `amid_talk`: somebody has just talked (`Talk`), so few words need less support.
    """
    if transcript.gated is not None:
        return transcript
    foreign = _foreign(transcript, config, languages, spoken)
    if amid_talk:
        config = _amid_talk(config)
    reason = _reason(transcript, utterance, config, words_are_given, foreign, spoken is not None)
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
    """ "language CODE" or "script NAME" if the text branch has not learnt the text's language."""
    if languages is None:
        return None
    known = set(map(primary_language, languages))
    code = primary_language(spoken or transcript.language or "")
    if spoken is not None:
        return None if code in known else f"language {code}"
    script = _foreign_script(transcript.text, known)
    if script is not None:
        return f"language {code}" if code and code not in known else f"script {script}"
    if not code:
        return None
    probabilities = transcript.language_probabilities
    if probabilities is None:
        sure = (transcript.language_probability or 0.0) >= config.language_probability
        return f"language {code}" if sure and code not in known else None
    own = sum(p for language, p in probabilities.items() if primary_language(language) in known)
    if own >= config.own_language_probability:
        return None
    guess = max(
        (c for c in probabilities if primary_language(c) not in known), key=probabilities.__getitem__, default=code
    )
    return f"language {guess}"


def _foreign_script(text: str, languages: Collection[str]) -> str | None:
    """The script of most letters, if no language of the text branch is written in it; None where that is not known."""
    if not languages or not LATIN.issuperset(languages):
        return None
    scripts = [unicodedata.name(letter, "?").split(" ", 1)[0].lower() for letter in text if letter.isalpha()]
    others = [script for script in scripts if script not in ("latin", "modifier", "feminine", "masculine")]
    return max(set(others), key=others.count) if len(others) > len(scripts) / 2 else None


def primary_language(code: str) -> str:
    """ "en" of "en-US": dialects do not count."""
    return re.split("[-_]", code.strip().lower(), maxsplit=1)[0]


def _reason(
    transcript: Transcript,
    utterance: Utterance,
    config: ScreeningConfig,
    words_are_given: bool,
    foreign: str | None,
    declared: bool,
) -> str | None:
    # [Music], (applause), ♪: descriptions of sounds, no words
    heard = words(_ANNOTATION.sub(" ", transcript.text))
    if words_are_given:
        return foreign if heard else "empty"
    voiced_s, level_dbfs = voiced_level(utterance)
    reason = _doubt(transcript, heard, voiced_s, level_dbfs, config, foreign, declared)
    if reason is None and not declared and doubts_english(transcript, voiced_s, config):
        return "low probability"
    no_speech = transcript.no_speech_probability
    if no_speech is None or reason is None or reason == foreign:
        return reason
    unsupported = voiced_s < LONG_S or len(heard) <= FEW_WORDS
    limit = config.unsupported_no_speech_probability if unsupported else config.no_speech_probability
    return NO_SPEECH if no_speech > limit or (heard and are_sounds(heard)) else reason


def _doubt(
    transcript: Transcript,
    heard: list[str],
    voiced_s: float,
    level_dbfs: float,
    config: ScreeningConfig,
    foreign: str | None,
    declared: bool,
) -> str | None:
    """What is wrong with the text, whether anybody spoke or not."""
    if not heard:
        return "empty"
    confidence, no_speech = transcript.confidence, transcript.no_speech_probability
    log_probability = transcript.mean_log_probability
    sure = confidence is not None and confidence >= config.sure_confidence
    if level_dbfs < (NOTHING_DBFS if sure else config.silence_dbfs):
        return "silence"
    if log_probability is not None:
        if log_probability < config.hopeless_log_probability:
            return NO_SPEECH if no_speech is not None and _like_a_sound(heard, no_speech) else "low probability"
        if (
            no_speech is not None
            and no_speech > config.no_speech_probability
            and log_probability < config.mean_log_probability
        ):
            return NO_SPEECH
    if foreign:  # one word of another language, and not a sure one: that is how a cry is written down
        return NO_SPEECH if not declared and len(heard) == 1 and _is_a_sound_at_best(transcript, config) else foreign
    if (
        log_probability is not None
        and no_speech is not None
        and not _are_said(heard, log_probability, no_speech, config)
    ):
        return NO_SPEECH if _like_a_sound(heard, no_speech) else "low probability"
    if is_loop(heard) or _compression_ratio(transcript.text) > config.compression_ratio:
        return "repetition"
    weak = (
        (level_dbfs < config.silence_dbfs + NEAR_SILENCE_DB and not sure)
        or (no_speech is not None and no_speech > config.no_speech_probability / 2)
        or (log_probability is not None and log_probability < config.mean_log_probability * 0.7)
    )
    if is_closing_phrase(heard, weak=weak, short=voiced_s < SHORT_S):
        return "closing phrase"
    tokens = transcript.tokens if transcript.tokens is not None else len(heard) * TOKENS_PER_WORD
    if tokens > config.tokens_per_second * max(voiced_s, SHORTEST_RATED_S):
        return "too fast"
    return None


def _amid_talk(config: ScreeningConfig) -> ScreeningConfig:
    return msgspec.structs.replace(
        config,
        said_probability=TALK_SHARE * config.said_probability,
        said_probability_of_few_words=TALK_SHARE * config.said_probability_of_few_words,
    )


def _are_said(heard: list[str], log_probability: float, no_speech: float, config: ScreeningConfig) -> bool:
    """Whether the words are likely enough: of few ones, or mere sounds, a Whisper must be surer."""
    confidence = math.exp(min(0.0, log_probability))
    if len(heard) <= FEW_WORDS or are_sounds(heard):
        limit = config.said_probability_of_few_words
    else:
        limit = config.said_probability if confidence < config.sure_confidence else 0.0
    return not confidence * (1.0 - no_speech) < limit


def _like_a_sound(heard: list[str], no_speech: float) -> bool:
    """Whether text that was probably not said is what a cry or a tune is taken for."""
    few = len(heard) <= FEW_WORDS and no_speech >= LEAST_NO_SPEECH
    return few or are_sounds(heard)


def _is_a_sound_at_best(transcript: Transcript, config: ScreeningConfig) -> bool:
    confidence, no_speech = transcript.confidence, transcript.no_speech_probability
    if confidence is None or no_speech is None:
        return False
    return confidence * (1.0 - no_speech) < config.said_probability_of_few_words


def doubts_english(transcript: Transcript, voiced_s: float, config: ScreeningConfig) -> bool:
    """Whether an English-only Whisper is not sure enough for text of two words or more to be English: it writes
    English whatever is spoken. The longer they took, the surer it is of real English."""
    log_probability = transcript.mean_log_probability
    if log_probability is None or transcript.language_probabilities is not None or len(words(transcript.text)) < 2:
        return False
    least = config.english_only_confidence * max(voiced_s, SHORTEST_RATED_S / 2) ** LENGTH_EXPONENT
    return math.exp(min(0.0, log_probability)) < least


def are_sounds(words: list[str]) -> bool:
    """Whether the text is nothing but laughter, cries, sighs and humming, written down."""
    return all(_SOUND.fullmatch(re.sub("[-'’]", " ", word)) for word in words)


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
