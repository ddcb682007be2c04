"""Voice activity: the speech probability of one frame. No torch."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from livemerc.config import SAMPLE_RATE_HZ, VadConfig
from livemerc.errors import ModelError
from livemerc.runtime.onnx import session


class Vad(Protocol):
    frame_samples: int

    def probability(self, frame: np.ndarray) -> float:
        """Speech probability of one frame, (frame_samples,) float32 at 16 kHz. Frames must come in order."""
        ...

    def reset(self) -> None:
        """Forget what was heard: the next frame is not the continuation of the last one."""
        ...


class WebRtcVad:
    """WebRTC's Gaussian-mixture detector (package `webrtcvad-wheels`): 20 ms frames, probability 0 or 1.

    `level` 0-3 is its aggressiveness.
    """

    frame_samples = SAMPLE_RATE_HZ // 50

    def __init__(self, level: int = 2) -> None:
        import webrtcvad

        self._make = lambda: webrtcvad.Vad(level)
        self._vad = self._make()

    def probability(self, frame: np.ndarray) -> float:
        pcm = (np.clip(frame, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()
        return 1.0 if self._vad.is_speech(pcm, SAMPLE_RATE_HZ) else 0.0

    def reset(self) -> None:
        self._vad = self._make()


class SileroVad:
    """Silero VAD v6: the ONNX file that faster-whisper carries, through onnxruntime, 32 ms frames.

    The network sees each frame with the last 64 samples before it, and keeps a recurrent state. Two states listen side
    by side, and the larger probability counts, for each is deaf to something (docs/endpointing.md):

    - The first remembers all. It drifts over a conversation, and misses whole utterances that it finds alone.
    - The second begins anew after `forget_after_s` without speech, and misses soft beginnings then. It hears quiet
      audio raised: whoever is far from the microphone is quieter than the network expects.

    `forget_after_s` None: the first alone.
    """

    frame_samples = 512
    _QUIET = 0.1

    def __init__(self, path: Path | None = None, forget_after_s: float | None = None) -> None:
        self._session = session(path or silero_file())
        frames = None if forget_after_s is None else max(1, round(forget_after_s * SAMPLE_RATE_HZ / self.frame_samples))
        self._forget_after_frames = frames
        self._quiet_frames = 0
        self.reset()

    def probability(self, frame: np.ndarray) -> float:
        remembering = self._remembering.probability(frame)
        if self._forget_after_frames is None:
            return remembering
        forgetful = self._forgetful.probability(self._raiser.raised(frame))
        self._quiet_frames = self._quiet_frames + 1 if forgetful < self._QUIET else 0
        if self._quiet_frames == self._forget_after_frames:
            self._quiet_frames = 0
            self._forgetful.forget()
        return max(remembering, forgetful)

    def reset(self) -> None:
        self._remembering = _Listener(self._session)
        self._forgetful = _Listener(self._session)
        self._raiser = _Raiser(self.frame_samples / SAMPLE_RATE_HZ)
        self._quiet_frames = 0


class _Listener:
    """The network with one recurrent state."""

    _CONTEXT_SAMPLES = 64

    def __init__(self, session: Any) -> None:
        self._session = session
        self._context = np.zeros(self._CONTEXT_SAMPLES, np.float32)
        self._h: np.ndarray
        self._c: np.ndarray
        self.forget()

    def probability(self, frame: np.ndarray) -> float:
        # a fresh input each time: the caller's frame must not be touched
        window = np.concatenate((self._context, frame)).astype(np.float32, copy=False)[None, :]
        probabilities, self._h, self._c = self._session.run(None, {"input": window, "h": self._h, "c": self._c})
        self._context = window[0, -self._CONTEXT_SAMPLES :].copy()
        return float(probabilities.reshape(-1)[0])

    def forget(self) -> None:
        self._h = np.zeros((1, 1, 128), np.float32)
        self._c = np.zeros((1, 1, 128), np.float32)


class _Raiser:
    """Raises quiet audio until its recent peak is at `_TARGET_DBFS`, by `_MOST_DB` at most."""

    _TARGET_DBFS = -30.0
    _MOST_DB = 12.0

    def __init__(self, frame_s: float) -> None:
        self._level = _Level(frame_s)

    def raised(self, frame: np.ndarray) -> np.ndarray:
        """(n,) float32 -> (n,) float32, its own memory where it is changed."""
        self._level.hear(frame)
        gain_db = min(self._MOST_DB, self._TARGET_DBFS - self._level.peak_dbfs)
        return frame if gain_db <= 0 else np.clip(frame * np.float32(10 ** (gain_db / 20)), -1.0, 1.0)


class _Level:
    """Level of a stream of frames, and its recent peak, which falls 3 dB a second."""

    FALL_DB_PER_S = 3.0
    LOWEST_DBFS = -80.0

    def __init__(self, frame_s: float) -> None:
        self._fall_db = self.FALL_DB_PER_S * frame_s
        self.dbfs = self.smooth_dbfs = self.peak_dbfs = self.LOWEST_DBFS
        """Of the newest frame; of the last two; and the peak of that."""

    def hear(self, frame: np.ndarray) -> None:
        self.dbfs = 10.0 * math.log10(float(np.dot(frame, frame)) / max(1, len(frame)) + 1e-12)
        self.smooth_dbfs = 0.5 * (self.smooth_dbfs + self.dbfs)
        self.peak_dbfs = max(self.smooth_dbfs, self.peak_dbfs - self._fall_db)


_NOISE_S = 1.0
"""So much sound has a pause in it: its quietest moment is the room."""


class FloorGate:
    """Closes on frames less than `margin_db` above the noise floor.

    The floor is the running minimum of the level (smoothed over two frames), which rises 3 dB a second: the pauses
    between words hold it down, steady noise lifts it within seconds. It starts, and ends, at -80 dBFS, so that a
    recording that begins inside a word is not taken for noise.

    `depth_db`: it closes only on what is also so far below the recent peak, which falls as slowly as the floor rises.
    Then it finds pauses in speech that stands out, and is not in the way of speech in noise.
    """

    def __init__(self, margin_db: float, frame_s: float, depth_db: float | None = None) -> None:
        self._margin_db = margin_db
        self._depth_db = depth_db
        self._rise_db = _Level.FALL_DB_PER_S * frame_s
        self._level = _Level(frame_s)
        self._floor_dbfs = _Level.LOWEST_DBFS
        self.above_floor_db = 0.0
        """How far the newest frame stands out of the floor."""
        self.above_noise_db = 0.0
        """The same, of the quietest since there is any sound where the floor has not come up to that; 0 in the first
        second, when neither is known."""
        self._frame_s = frame_s
        self._sound_s = 0.0
        self._quietest_dbfs = math.inf

    def is_open(self, frame: np.ndarray) -> bool:
        """Of one frame, (n,) float32, in order."""
        level = self._level
        level.hear(frame)
        self._floor_dbfs = max(_Level.LOWEST_DBFS, min(level.smooth_dbfs, self._floor_dbfs + self._rise_db))
        self.above_floor_db = level.dbfs - self._floor_dbfs
        self._learn_noise(level.smooth_dbfs)
        if self._margin_db <= 0 or self.above_floor_db >= self._margin_db:
            return True
        return self._depth_db is not None and level.dbfs >= level.peak_dbfs - self._depth_db

    def _learn_noise(self, smooth_dbfs: float) -> None:
        if smooth_dbfs <= _Level.LOWEST_DBFS:
            self._sound_s, self._quietest_dbfs = 0.0, math.inf
        else:
            self._sound_s += self._frame_s
            self._quietest_dbfs = min(self._quietest_dbfs, smooth_dbfs)
        noise_dbfs = max(self._floor_dbfs, self._quietest_dbfs)
        self.above_noise_db = self._level.dbfs - noise_dbfs if self._sound_s >= _NOISE_S else 0.0


def silero_file() -> Path:
    """The ONNX file inside faster-whisper's package, found without importing it. Raises `ModelError`."""
    spec = importlib.util.find_spec("faster_whisper")
    folders = spec.submodule_search_locations if spec is not None else None
    files = sorted(file for folder in folders or () for file in Path(folder, "assets").glob("silero_vad*.onnx"))
    if not files:
        raise ModelError(
            "Silero VAD comes with faster-whisper, and its file is not there; use --vad webrtc, or reinstall it."
        )
    return files[-1]


def make_vad(config: VadConfig) -> Vad:
    """The detector that `config.engine` names."""
    if config.engine == "silero":
        return SileroVad(forget_after_s=config.silero_forget_after_s)
    return WebRtcVad(config.webrtc_level)


def make_gate(config: VadConfig, frame_s: float) -> FloorGate:
    """The floor gate behind that detector: for Silero it must not be in the way of speech in noise (docs/noise.md)."""
    return FloorGate(config.floor_gate_db, frame_s, config.pause_depth_db if config.engine == "silero" else None)
