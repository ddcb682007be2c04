"""The embedded recogniser: pocketsphinx with the US English model that its wheel carries. No download, no network."""

from __future__ import annotations

import contextlib
import json
import math
import re
import struct
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from livemerc.asr.engine import Transcript, Word
from livemerc.config import SAMPLE_RATE_HZ
from livemerc.errors import ModelError
from livemerc.runtime.process import end_with_us

if TYPE_CHECKING:
    from livemerc.audio.items import Utterance

FRAMES_PER_SECOND = 100  # pocketsphinx's own frame rate
PEAK = 0.9
MAX_GAIN = 100.0  # 40 dB: a whisper is raised, the noise floor of a muted line is not made speech
HEAD_S = 2.4
"""How an utterance sounds (its level, its cepstral means) is told by its first seconds where it is longer: so it can be
decoded while it is said. Errors in 393 words (demo, read speech, telephone) with 1.5, 2, 2.4, 2.5, 3 s: 127, 128, 112,
112, 115; by all of it, which is known at its end: 120."""
HEADROOM = 2.0
"""What comes after the head may be so much louder; what is louder still is decoded whole, at its end. Errors with 1.3,
2, 3, 4: 112, 112, 118, 122; where the head of 126 words of the demo is 10 dB softer 13, 10, 8, 8."""
PIECE_SAMPLES = 1600
BEGUN_BY_SAMPLES = 5 * SAMPLE_RATE_HZ
"""A longer beginning would take too long to catch up with, again and again where two speak by turns."""
ANOTHER_AFTER_S = 1.5
"""Without more of the utterance that it follows, it turns to another; snapshots come twice a second."""
SEARCH = {"maxhmmpf": 3000, "maxwpf": 10}
"""Fewer paths a frame than the default 30,000 HMMs and any number of words, half of the time: telephone speech is
understood no worse (WER .79 against .83), read speech and the demo hardly (.30 and .07 against .34 and .07)."""
HURRIED_SEARCH = {"maxhmmpf": 800, "maxwpf": 4}
"""For a machine that cannot keep up: three fifths of the time (RTF .13 on telephone speech; the demo's WER .19)."""
HEAD_SAMPLES = round(HEAD_S * SAMPLE_RATE_HZ)
_Decoded = tuple[str, int, int, float]
"""Word, first and last frame, posterior probability."""
_ALTERNATE = re.compile(r"\(\d+\)$")  # "read(2)": the second pronunciation of "read"


class PocketsphinxEngine:
    """Lower-case US English words without punctuation, one utterance at a time.

    `confidence` is the geometric mean of the words' posterior probabilities in the decoder's lattice, 0..1. It says how
    little the decoder hesitated, not how often it is right; None when no word was found.

    An utterance of more than `HEAD_S` is decoded while it is said, where the caller lets it follow (`Following`); the
    words are those of a decode at its end, and of any other pieces.

    It runs in a child process (`pocketsphinx_child`): its binding holds Python's global lock for a whole decode. A
    child that dies costs the utterance it was at, RuntimeError, and the next one starts another. Raises `ModelError`
    when the package or its model is missing.
    """

    engine = "pocketsphinx"
    repeatable = True

    def __init__(self, search: Mapping[str, int] = SEARCH, model: str = "en-us") -> None:
        """`search`: its beams; `model`: what `session.start` calls it."""
        self.model: str | None = model
        self._search = dict(search)
        self._child: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._follows: _Followed | None = None
        self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        code = Path(__file__).with_name("pocketsphinx_child.py").read_text("utf-8")
        # -P: a file that happens to lie in the working directory is no module of the child's
        command = [sys.executable, "-P", "-c", code, json.dumps(self._search)]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        end_with_us(child)
        self._child = child
        weakref.finalize(self, _end, child)
        try:
            answer = _answer(child)
        except RuntimeError as error:
            answer = {"error": str(error), "missing": True}
        if "missing" not in answer:
            return child
        self.close()
        what = answer["error"]
        if answer["missing"]:
            raise ModelError(
                f"pocketsphinx cannot be loaded ({what}); run `pip install pocketsphinx` or choose another --asr."
            )
        raise ModelError(
            f"pocketsphinx finds no usable English model ({what}); unset POCKETSPHINX_PATH or reinstall it."
        )

    def transcribe(self, utterance: Utterance) -> Transcript:
        """The words of the utterance; `words` are timed to the session clock in steps of 10 ms."""
        words = tuple(
            Word(
                text=text,
                start_s=utterance.samples_start_s + start_frame / FRAMES_PER_SECOND,
                end_s=utterance.samples_start_s + (end_frame + 1) / FRAMES_PER_SECOND,
                probability=probability,
            )
            for text, start_frame, end_frame, probability in self._decode(utterance.samples)
        )
        return Transcript(
            text=" ".join(word.text for word in words),
            confidence=_geometric_mean([word.probability or 0.0 for word in words]),
            language="en",
            words=words,
        )

    def partial(self, samples: np.ndarray) -> str:
        """The words so far, by what it follows; up to `HEAD_S` a decode that costs as much as a final's. "" for
        another utterance than the one that it follows."""
        if self.follows(samples):
            words = self.follow(samples)
        else:
            words = [] if self._follows_another(samples) else self._whole(samples)
        return " ".join(text for text, *_ in words)

    def follows(self, samples: np.ndarray) -> bool:
        """Whether an utterance that begins with these samples is, as far as they tell, decoded piece by piece."""
        if len(samples) <= HEAD_SAMPLES:
            return False
        gain = _gain(samples[:HEAD_SAMPLES])
        return gain is not None and float(np.max(np.abs(samples))) * gain / HEADROOM <= 1.0

    def unheard_s(self, samples: np.ndarray) -> float:
        """Seconds of `samples` that `transcribe` would have to decode now."""
        known = self._known
        if known is None or not self.follows(samples):
            return len(samples) / SAMPLE_RATE_HZ
        if known.starts_with(samples):
            return 0.0
        return (len(samples) - (known.heard if known.begins(samples) else 0)) / SAMPLE_RATE_HZ

    @property
    def _known(self) -> _Followed | None:
        """What it follows, unless the child that heard it is gone."""
        known = self._follows
        return known if known is not None and known.child is self._child else None

    def _follows_another(self, samples: np.ndarray) -> bool:
        """Whether it is with an utterance that these samples do not belong to."""
        known = self._known
        return (
            known is not None
            and not known.begins(samples)
            and not known.starts_with(samples)
            and time.monotonic() - known.fed_at_s < ANOTHER_AFTER_S
        )

    def follow(self, samples: np.ndarray) -> list[_Decoded]:
        """Decodes what is new in the beginning of an utterance, and says what it has understood so far. Of several
        that are said at once it follows one: turning from one to the other, it would begin anew each time."""
        if not self.follows(samples) or self._follows_another(samples):
            return []
        known = self._known
        if known is not None and known.starts_with(samples):
            return known.words  # it has been further already
        if (known is None or not known.begins(samples)) and len(samples) > BEGUN_BY_SAMPLES:
            return []
        following = self._following(samples)
        whole_pieces = len(samples) // PIECE_SAMPLES * PIECE_SAMPLES
        if whole_pieces > following.heard:
            self._feed(following, samples[:whole_pieces])
        return following.words

    def interrupt(self) -> None:
        """From any thread: a decode ends at once, with RuntimeError; the next one gets a new child."""
        child, self._child = self._child, None
        if child is not None:
            _end(child)

    def close(self) -> None:
        """Ends the child; idempotent."""
        self._closed = True
        self.interrupt()

    def _decode(self, samples: np.ndarray) -> list[_Decoded]:
        if not self.follows(samples):
            return self._whole(samples)
        following = self._following(samples)
        # Up to where `follow` would have gone, and then the rest: the words do not depend on who asked when.
        for end in (len(samples) // PIECE_SAMPLES * PIECE_SAMPLES, len(samples)):
            if end > following.heard:
                self._feed(following, samples[:end])
        self._follows = None
        return self._ask(following.child, b"E", b"")

    def _whole(self, samples: np.ndarray) -> list[_Decoded]:
        self._follows = None
        gain = _gain(samples)
        if gain is None:  # pocketsphinx refuses an empty buffer
            return []
        return self._ask(self._running(), b"W", _pcm(samples, gain))

    def _following(self, samples: np.ndarray) -> _Followed:
        """What it follows, if that is the beginning of `samples`; else it begins with these."""
        child = self._running()
        known = self._known
        if known is None or not known.begins(samples):
            head = samples[:HEAD_SAMPLES]
            gain = _gain(head)
            assert gain is not None
            self._follows = None
            gain /= HEADROOM
            self._ask(child, b"B", _pcm(head, gain))
            known = self._follows = _Followed(child, gain)
        return known

    def _feed(self, following: _Followed, samples: np.ndarray) -> None:
        new = samples[following.heard :]
        self._follows = None  # not if it fails
        following.words = self._ask(following.child, b"F", _pcm(new, following.gain))
        following.samples, following.fed_at_s = samples, time.monotonic()
        self._follows = following

    def _running(self) -> subprocess.Popen[bytes]:
        if self._closed:
            raise RuntimeError("pocketsphinx has been closed")
        child = self._child
        if child is None or child.poll() is not None:
            child = self._start()  # it has crashed: the next utterance may be better
        return child

    def _ask(self, child: subprocess.Popen[bytes], letter: bytes, pcm: bytes) -> list[_Decoded]:
        assert child.stdin is not None
        try:
            child.stdin.write(struct.pack("<cI", letter, len(pcm)) + pcm)
            child.stdin.flush()
        except (OSError, ValueError) as error:
            raise RuntimeError("pocketsphinx has ended") from error
        answer = _answer(child)
        if isinstance(answer, dict):  # what it raised
            raise RuntimeError(f"pocketsphinx: {answer['error']}")  # noqa: TRY004 - no wrong type: the child's own error
        return [
            (_ALTERNATE.sub("", word), start_frame, end_frame, min(1.0, probability))
            for word, start_frame, end_frame, probability in answer
            if word[0] not in "<[+"  # <s>, </s>, <sil>, [NOISE], ++COUGH++: fillers
        ]


class _Followed:
    """An utterance that goes on, as far as `child` has heard it."""

    def __init__(self, child: subprocess.Popen[bytes], gain: float) -> None:
        self.child = child
        self.gain = gain
        self.fed_at_s = time.monotonic()
        self.samples = np.zeros(0, np.float32)
        self.words: list[_Decoded] = []

    @property
    def heard(self) -> int:
        return len(self.samples)

    def begins(self, samples: np.ndarray) -> bool:
        """Whether `samples` begin with what was heard."""
        return np.array_equal(samples[: self.heard], self.samples)

    def starts_with(self, samples: np.ndarray) -> bool:
        """Whether what was heard begins with `samples`."""
        return len(samples) <= self.heard and np.array_equal(self.samples[: len(samples)], samples)


def _answer(child: subprocess.Popen[bytes]) -> Any:
    assert child.stdout is not None
    try:
        line = child.stdout.readline()
    except (OSError, ValueError):
        line = b""
    if not line:
        raise RuntimeError("pocketsphinx has ended")
    return json.loads(line)


def _end(child: subprocess.Popen[bytes]) -> None:
    """At once: it has nothing to save, and an answer in the making is not waited for."""
    child.kill()
    child.wait()
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):  # what it had not read
                stream.close()


def _gain(samples: np.ndarray) -> float | None:
    """Raises the peak to 0.9; None where there is nothing to raise. Its noise removal depends on the level: WER .29 at
    every input level this way, .29 to .36 (at -50 dBFS) as it comes, .34 with a fixed RMS."""
    peak = float(np.max(np.abs(samples), initial=0.0))
    if not math.isfinite(peak) or peak == 0.0:
        return None
    return min(PEAK / peak, MAX_GAIN)


def _pcm(samples: np.ndarray, gain: float) -> bytes:
    """16-bit samples; what is broken is silence, what is too loud is clipped."""
    raised = np.nan_to_num(np.asarray(samples, dtype=np.float32) * gain, nan=0.0, posinf=1.0, neginf=-1.0)
    return np.round(np.clip(raised, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()


def _geometric_mean(probabilities: list[float]) -> float | None:
    if not probabilities:
        return None
    # a posterior can underflow to 0
    return math.exp(sum(math.log(max(p, 1e-10)) for p in probabilities) / len(probabilities))
