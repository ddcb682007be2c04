"""Containers as programs write them: sound that begins late or has gaps, a picture beside it; and FFmpeg's command."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

_PACKET = 320


def write(
    path: Path,
    parts: Sequence[tuple[float, np.ndarray]],
    rate_hz: int = 16_000,
    *,
    picture_s: float | None = None,
    begin_s: float = 0.0,
    codec: str = "pcm_s16le",
) -> Path:
    """A container with mono `parts`, each at its second; picture_s: a picture from 0 to there. `begin_s` is added to
    every time stamp."""
    with av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as container:
        pictures = None
        if picture_s is not None:
            pictures = container.add_stream("mpeg4", rate=10)
            pictures.width = pictures.height = 32
            pictures.codec_context.time_base = Fraction(1, 10)
        sound = container.add_stream(codec, rate=rate_hz, layout="mono")
        if pictures is not None:
            for number in range(round(picture_s * 10)):
                picture = av.VideoFrame(32, 32, "yuv420p")
                picture.pts, picture.time_base = number + round(begin_s * 10), Fraction(1, 10)
                container.mux(pictures.encode(picture))
            container.mux(pictures.encode(None))
        for at_s, samples in parts:
            integers = (np.clip(samples, -1, 1) * 32767).astype(np.int16)
            for begin in range(0, len(integers), _PACKET):
                frame = av.AudioFrame.from_ndarray(integers[None, begin : begin + _PACKET], format="s16", layout="mono")
                frame.sample_rate, frame.time_base = rate_hz, Fraction(1, rate_hz)
                frame.pts = round((at_s + begin_s) * rate_hz) + begin
                container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path


def ffmpeg(*arguments: str | Path) -> None:
    """FFmpeg's command, which must succeed. Skips where it is not installed."""
    found = shutil.which("ffmpeg")
    if found is None:
        pytest.skip("FFmpeg's command is not installed")
    subprocess.run([found, "-v", "error", "-y", *map(str, arguments)], check=True, stdin=subprocess.DEVNULL)
