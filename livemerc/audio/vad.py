"""Voice activity: the speech probability of one frame. No torch."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from livemerc.config import SAMPLE_RATE_HZ, VadConfig
from livemerc.errors import ModelError


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

    The network sees each frame with the last 64 samples before it, and keeps its recurrent state (h, c).
    """

    frame_samples = 512
    _CONTEXT_SAMPLES = 64

    def __init__(self, path: Path | None = None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # one thread: the network is tiny, and spinning threads would take the cores from the brain
        options.inter_op_num_threads = 1
        options.intra_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 4
        self._session: Any = onnxruntime.InferenceSession(
            str(path or silero_file()), providers=["CPUExecutionProvider"], sess_options=options
        )
        self._context: np.ndarray
        self._h: np.ndarray
        self._c: np.ndarray
        self.reset()

    def probability(self, frame: np.ndarray) -> float:
        # a fresh input each time: the caller's frame must not be touched
        window = np.concatenate((self._context, frame)).astype(np.float32, copy=False)[None, :]
        probabilities, self._h, self._c = self._session.run(None, {"input": window, "h": self._h, "c": self._c})
        self._context = window[0, -self._CONTEXT_SAMPLES :].copy()
        return float(probabilities.reshape(-1)[0])

    def reset(self) -> None:
        self._context = np.zeros(self._CONTEXT_SAMPLES, np.float32)
        self._h = np.zeros((1, 1, 128), np.float32)
        self._c = np.zeros((1, 1, 128), np.float32)


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
    """The detector that `config.vad.engine` names."""
    return SileroVad() if config.engine == "silero" else WebRtcVad(config.webrtc_level)
