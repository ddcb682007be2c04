"""A Whisper that never computes the same thing twice: one mel and one encoder pass an utterance, whoever asks.

faster-whisper encodes an utterance once to detect its language, once to decode it and once more for word times. The
voice's encoding, the encoder's states averaged over time, is one more use of the same pass.

Imports faster-whisper, a second: import it late.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.audio import pad_or_trim
from faster_whisper.feature_extractor import FeatureExtractor

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

    def detect_language(
        self, audio: np.ndarray | None = None, features: np.ndarray | None = None, **options: Any
    ) -> tuple[str, float, list[tuple[str, float]]]:
        """Without the mel's last frame, which lies behind the samples: then it looks at the window that is decoded."""
        if features is not None and features.shape[-1] > 1:
            features = features[..., :-1]
        return super().detect_language(audio, features, **options)

    def pooled(self, samples: np.ndarray) -> np.ndarray:
        """(n,) float32 at 16 kHz, n >= 1 -> (D,) float32: the encoder's states, averaged over those that hold audio.

        The mel is cut into windows and padded as `transcribe` does, so these are the states that the decoder sees in
        full windows; in others the states are others, and so would the voice be: raises ValueError.
        """
        if self.window_frames is not None:
            raise ValueError("the voice is encoded in full windows")
        mel = self.feature_extractor(samples)
        content = max(1, mel.shape[-1] - 1)
        window = self.feature_extractor.nb_max_frames
        total: Any = 0.0
        count = 0
        for start in range(0, content, window):
            held = min(window, content - start)
            states = _on_cpu(self.encode(pad_or_trim(mel[:, start : start + held])))[: -(-held // self.input_stride)]
            total = total + states.sum(0, dtype=np.float64)
            count += len(states)
        return (total / count).astype(np.float32)


def _on_cpu(states: ctranslate2.StorageView) -> np.ndarray:
    """(1, frames, D) on any device, of any type -> (frames, D) float32."""
    if states.device == "cuda":
        states = states.to_device(ctranslate2.Device.cpu)
    return np.asarray(states.to(ctranslate2.DataType.float32))[0]
