"""The embedded recogniser: pocketsphinx with the US English model that its wheel carries. No download, no network."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from livemerc.asr.engine import Transcript, Word
from livemerc.config import SAMPLE_RATE_HZ
from livemerc.errors import ModelError

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

    Raises `ModelError` when the package or its model is missing.
    """

    engine = "pocketsphinx"

    def __init__(self, search: Mapping[str, int] = SEARCH, model: str = "en-us") -> None:
        """`search`: its beams; `model`: what `session.start` calls it."""
        self.model: str | None = model
        try:
            from pocketsphinx import Decoder
        except ImportError as error:
            raise ModelError(
                f"pocketsphinx cannot be loaded ({error}); run `pip install pocketsphinx` or choose another --asr."
            ) from error
        try:
            # FATAL: its log would land on stderr in the middle of the dashboard
            self._decoder: Any = Decoder(samprate=SAMPLE_RATE_HZ, cmn="batch", loglevel="FATAL", **search)
        except (RuntimeError, ValueError) as error:
            raise ModelError(
                f"pocketsphinx finds no usable English model ({error}); unset POCKETSPHINX_PATH or reinstall it."
            ) from error

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

    def close(self) -> None:
        """Frees the decoder."""
        self._decoder = None

    def _decode(self, samples: np.ndarray) -> list[tuple[str, int, int, float]]:
        pcm = _to_pcm(samples)
        if not pcm:  # process_raw refuses an empty buffer
            return []
        decoder = self._decoder
        # A new front end for each utterance (0.1 ms): it tracks noise and cepstral means from one utterance to the
        # next, and the same audio would give another text after another history.
        decoder.reinit_feat()
        decoder.start_utt()
        # full_utt: cepstral means of the whole utterance. WER on LJSpeech + LibriVox .29 against .53 with the running
        # estimate, which starts wrong in each utterance.
        try:
            decoder.process_raw(pcm, no_search=False, full_utt=True)
        finally:
            decoder.end_utt()  # or the next utterance could not begin
        if decoder.hyp() is None:
            return []
        return [
            (_ALTERNATE.sub("", segment.word), segment.start_frame, segment.end_frame, min(1.0, segment.prob))
            for segment in decoder.seg() or ()
            if segment.word[0] not in "<[+"  # <s>, </s>, <sil>, [NOISE], ++COUGH++: fillers
        ]


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
