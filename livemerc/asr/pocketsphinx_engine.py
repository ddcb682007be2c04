"""The embedded recogniser: pocketsphinx with the US English model that its wheel carries. No download, no network."""

from __future__ import annotations

import contextlib
import json
import math
import re
import struct
import subprocess
import sys
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from livemerc.asr.engine import Transcript, Word
from livemerc.errors import ModelError
from livemerc.process import end_with_us

if TYPE_CHECKING:
    from livemerc.audio.items import Utterance

FRAMES_PER_SECOND = 100  # pocketsphinx's own frame rate
PEAK = 0.9
MAX_GAIN = 100.0  # 40 dB: a whisper is raised, the noise floor of a muted line is not made speech
SEARCH = {"maxhmmpf": 3000, "maxwpf": 10}
"""Fewer paths a frame than the default 30,000 HMMs and any number of words: telephone speech takes half the time (RTF
.19 against .35, WER .84 against .88), read speech hears the same (.304), the demo hardly less (.066 against .046)."""
HURRIED_SEARCH = {"maxhmmpf": 800, "maxwpf": 4}
"""For a machine that cannot keep up: three fifths of the time (RTF .13 on telephone speech; the demo's WER .19)."""
_ALTERNATE = re.compile(r"\(\d+\)$")  # "read(2)": the second pronunciation of "read"


class PocketsphinxEngine:
    """Lower-case US English words without punctuation, one utterance at a time.

    `confidence` is the geometric mean of the words' posterior probabilities in the decoder's lattice, 0..1. It says how
    little the decoder hesitated, not how often it is right; None when no word was found.

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
        """A full decode of what has been said so far: costs as much as a final of that length."""
        return " ".join(text for text, *_ in self._decode(samples))

    def interrupt(self) -> None:
        """From any thread: a decode ends at once, with RuntimeError; the next one gets a new child."""
        child, self._child = self._child, None
        if child is not None:
            _end(child)

    def close(self) -> None:
        """Ends the child; idempotent."""
        self._closed = True
        self.interrupt()

    def _decode(self, samples: np.ndarray) -> list[tuple[str, int, int, float]]:
        pcm = _to_pcm(samples)
        if not pcm:  # pocketsphinx refuses an empty buffer
            return []
        if self._closed:
            raise RuntimeError("pocketsphinx has been closed")
        child = self._child
        if child is None or child.poll() is not None:
            child = self._start()  # it has crashed: the next utterance may be better
        assert child.stdin is not None
        try:
            child.stdin.write(struct.pack("<I", len(pcm)) + pcm)
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


def _to_pcm(samples: np.ndarray) -> bytes:
    """16-bit samples with the peak at 0.9. Its noise removal depends on the level: WER .29 at every input level this
    way, .29 to .36 (at -50 dBFS) as it comes, .34 with a fixed RMS."""
    peak = float(np.max(np.abs(samples), initial=0.0))
    if not math.isfinite(peak) or peak == 0.0:
        return b""
    gain = min(PEAK / peak, MAX_GAIN)
    return np.round(np.asarray(samples, dtype=np.float32) * (gain * 32767.0)).astype("<i2").tobytes()


def _geometric_mean(probabilities: list[float]) -> float | None:
    if not probabilities:
        return None
    # a posterior can underflow to 0
    return math.exp(sum(math.log(max(p, 1e-10)) for p in probabilities) / len(probabilities))
