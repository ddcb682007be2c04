"""How much a Whisper looks at: its window of 30 s, or the utterance and a little more, and when that went wrong.

The encoder costs what its input is long, and a Whisper was trained on 30 s alone. Shown less, one that was not trained
for it mostly hears the same, and sometimes does not know where to stop: it says the last sentence again, or goes on for
ever (whisper.cpp issues 137 and 1951, faster-whisper issue 1006; the models fine-tuned for it there are called ACFT).
So a short look is judged by what it gave, and where that looks wrong the whole window is looked at after all.
"""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING

from livemerc.config import SAMPLE_RATE_HZ
from livemerc.notation import words

if TYPE_CHECKING:
    from livemerc.asr.engine import Transcript
    from livemerc.config import ScreeningConfig

FRAMES_PER_SECOND = 100
"""Of Whisper's mel spectrogram."""
MARGIN_S = 5.0
"""Padding behind the utterance, as all the examples that Whisper has learnt from had: its sign that nothing follows.
With 1 s it leaves out words of long utterances, and every tenth full stop; 5 s cost little more (docs/performance.md).
"""
FLOOR_S = 8.0
"""Below it even models that were trained for short windows repeat themselves."""
STEP_S = 1.0
"""Windows come in few lengths: a GPU's kernels and its allocator like that."""
DOUBTED_LOG_PROBABILITY = -0.7
"""Mean log-probability below which a short look is not trusted: there it differs most from what the full one hears."""
CLOSING_ODDS = 0.37
"""A full stop that was at least so probable as the end is written after all: short windows lose it. Of 23 open ends it
finds 12 of the 18 that the full window closes, and no other (docs/performance.md)."""
_LEAST_TOKENS = 12
_SHORTEST_RATED_S = 0.5
_LONGEST_PHRASE_WORDS = 24


def window_frames(samples: int, full_frames: int) -> int | None:
    """Mel frames to look at for an utterance of `samples` at 16 kHz; None = the full window (`full_frames`)."""
    held_s = max(FLOOR_S, math.ceil((samples / SAMPLE_RATE_HZ + MARGIN_S) / STEP_S) * STEP_S)
    frames = round(held_s * FRAMES_PER_SECOND)
    return None if frames >= full_frames else frames


def most_tokens(voiced_s: float, config: ScreeningConfig) -> int:
    """As many tokens as anyone speaks in `voiced_s`: who reaches them does not know where to stop."""
    return max(_LEAST_TOKENS, math.ceil(config.tokens_per_second * max(voiced_s, _SHORTEST_RATED_S)))


def doubt(transcript: Transcript, voiced_s: float, config: ScreeningConfig) -> str | None:
    """Why a look at a short window may have gone wrong: "nothing heard", "too fast", "repetition" or "low
    probability"; None = it looks right. Stricter than screening: a second look costs time and no words."""
    heard = words(transcript.text)
    if not heard:
        return "nothing heard"
    if transcript.tokens is not None and transcript.tokens >= most_tokens(voiced_s, config):
        return "too fast"
    data = transcript.text.encode("utf-8", "surrogatepass")
    if len(data) / len(zlib.compress(data)) > config.compression_ratio or ends_twice(heard):
        return "repetition"
    log_probability = transcript.mean_log_probability
    if log_probability is not None and log_probability < DOUBTED_LOG_PROBABILITY:
        return "low probability"
    return None


def without_loop(text: str) -> str:
    """What a look said before it said the end again and again; "" where it did not, or said nothing else."""
    said = text.split()
    heard = [tuple(words(word)) for word in said]
    kept = len(said)
    for n in range(1, min(len(said) // 2, _LONGEST_PHRASE_WORDS) + 1):
        begin = len(said) - n
        while begin > 0 and heard[begin - 1] == heard[begin - 1 + n]:
            begin -= 1
        if len(said) - begin >= max(2 * n, 3):  # said twice at the least, a single word three times
            kept = min(kept, begin + n)
    return " ".join(said[:kept]) if kept < len(said) else ""


def closed(text: str, closing_odds: float) -> str:
    """The text of an utterance that has ended, with the full stop that a short look has lost, if it has."""
    return f"{text}." if text and text[-1].isalnum() and closing_odds >= CLOSING_ODDS else text


def ends_twice(words: list[str]) -> bool:
    """Whether the last words are said twice at the end: a phrase of two words and more, or one word three times."""
    longest = min(len(words) // 2, _LONGEST_PHRASE_WORDS)
    if any(words[-n:] == words[-2 * n : -n] for n in range(2, longest + 1)):
        return True
    return len(words) >= 3 and words[-1] == words[-2] == words[-3]
