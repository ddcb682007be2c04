"""A Whisper that never computes the same thing twice: one mel and one encoder pass an utterance, whoever asks.

faster-whisper encodes an utterance once to detect its language, once to decode it and once more for word times.

Imports faster-whisper, a second: import it late.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.feature_extractor import FeatureExtractor
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_compression_ratio

WINDOWS_KEPT = 2
"""Encoder passes that are remembered; an utterance is one window of 30 s, two with a long pre-roll at most."""


class _OnceExtractor(FeatureExtractor):
    """The mel of the same samples once."""

    _last: tuple[np.ndarray, np.ndarray] | None = None

    def __call__(self, waveform: np.ndarray, *arguments: Any, **options: Any) -> np.ndarray:
        if self._last is None or not np.array_equal(self._last[0], waveform):
            self._last = (waveform.copy(), super().__call__(waveform, *arguments, **options))
        return self._last[1]


class OnePassWhisper(WhisperModel):
    """faster-whisper's model, with a memory of the utterance in hand."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.feature_extractor: FeatureExtractor = _OnceExtractor(**self.feat_kwargs)
        self._known: deque[tuple[np.ndarray, ctranslate2.StorageView]] = deque(maxlen=WINDOWS_KEPT)
        self.window_frames: int | None = None
        """How much of a window the encoder gets to see, mel frames from its beginning; None = all of it."""
        self.closing_odds = 0.0
        """How probable a full stop was where the last greedy decode ended, by the probability of the end itself."""

    def encode(self, features: np.ndarray) -> ctranslate2.StorageView:
        """States (1, frames, D) of a window's mel (bands, frames), or of `window_frames` of it."""
        if self.window_frames is not None:
            features = features[:, : self.window_frames]
        for known, states in self._known:
            if np.array_equal(known, features):
                return states
        states = super().encode(features)
        self._known.append((features, states))
        return states

    def generate_with_fallback(
        self, encoder_output: ctranslate2.StorageView, prompt: list[int], tokenizer: Tokenizer, options: Any
    ) -> tuple[Any, float, float, float]:
        """As faster-whisper's at a temperature of 0 without its fallbacks: result, mean log-probability, temperature,
        compression ratio. Greedy, it sets `closing_odds`: the scores of every token cost a fortieth of the decode."""
        greedy = options.beam_size == 1
        (result,) = self.model.generate(
            encoder_output,
            [prompt],
            beam_size=options.beam_size,
            patience=options.patience,
            length_penalty=options.length_penalty,
            repetition_penalty=options.repetition_penalty,
            no_repeat_ngram_size=options.no_repeat_ngram_size,
            max_length=self.max_length if options.max_new_tokens is None else len(prompt) + options.max_new_tokens,
            return_scores=True,
            return_logits_vocab=greedy,
            return_no_speech_prob=True,
            suppress_blank=options.suppress_blank,
            suppress_tokens=options.suppress_tokens,
            max_initial_timestamp_index=round(options.max_initial_timestamp / self.time_precision),
        )
        tokens = result.sequences_ids[0]
        self.closing_odds = 0.0
        if greedy and len(result.logits[0]) > len(tokens):  # else it was cut off, and there is no end
            end = np.asarray(result.logits[0][len(tokens)]).ravel()
            (full_stop,) = tokenizer.encode(".")
            self.closing_odds = float(np.exp(min(0.0, end[full_stop] - end[tokenizer.eot])))
        total = result.scores[0] * len(tokens) ** options.length_penalty
        text = tokenizer.decode(tokens).strip()
        return result, total / (len(tokens) + 1), 0.0, get_compression_ratio(text)

    def detect_language(
        self, audio: np.ndarray | None = None, features: np.ndarray | None = None, **options: Any
    ) -> tuple[str, float, list[tuple[str, float]]]:
        """Without the mel's last frame, which lies behind the samples: then it looks at the window that is decoded."""
        if features is not None and features.shape[-1] > 1:
            features = features[..., :-1]
        return super().detect_language(audio, features, **options)
