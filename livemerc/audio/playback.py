"""A stretch of a recording to the loudspeaker: found by seeking, so that hour three opens as fast as minute one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from livemerc.audio.microphone.devices import portaudio
from livemerc.audio.planar import planar
from livemerc.errors import InputError, LivemercError, MicrophoneError, cause_of


def read_stretch(path: Path, start_s: float, end_s: float, channel: int | None = None) -> tuple[np.ndarray, int]:
    """((n,) float32, rate in Hz) from `start_s` to `end_s` of the file, n >= 1; all channels mixed, or one of them.

    Raises `InputError` for a file that cannot be read or a stretch that holds no audio.
    """
    import av
    import av.logging

    av.logging.set_level(av.logging.PANIC)
    pieces: list[np.ndarray] = []
    start_s = max(0.0, start_s)
    rate_hz = 0
    try:
        with av.open(f"file:{path}", options={"protocol_whitelist": "file"}, metadata_errors="replace") as container:
            if not container.streams.audio:
                raise InputError(f"{path}: there is no audio stream in this file.")
            stream = container.streams.audio[0]
            assert stream.time_base is not None
            rate_hz = int(stream.rate)
            container.seek(int(start_s / stream.time_base), stream=stream)
            for frame in container.decode(stream):
                if frame.pts is None:
                    raise InputError(f"{path}: this file has no times to find a stretch by.")
                begin = round(float(frame.pts * stream.time_base) * rate_hz)
                if begin >= end_s * rate_hz:
                    break
                samples = planar(frame.to_ndarray(), frame.layout.nb_channels)
                cut = samples[:, max(0, round(start_s * rate_hz) - begin) : max(0, round(end_s * rate_hz) - begin)]
                if cut.shape[1]:
                    pieces.append(cut.mean(axis=0) if channel is None else cut[min(channel, len(cut) - 1)])
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be played ({cause_of(error)}).") from error
    if not pieces:
        raise InputError(f"{path}: no audio from {start_s:.1f} s to {end_s:.1f} s; the recording ends before.")
    return np.concatenate(pieces).astype(np.float32, copy=False), rate_hz


def play(samples: np.ndarray, rate_hz: int) -> None:
    """Begins to play (n,) float32 on the system's default output, instead of what plays; returns at once.

    Raises `LivemercError` where there is no output.
    """
    try:
        sd = portaudio()
    except MicrophoneError as error:
        raise LivemercError(
            "Nothing can be played: PortAudio is missing (`livemerc doctor` says how to mend it)."
        ) from error
    try:
        output_hz = round(sd.query_devices(kind="output")["default_samplerate"])
        if output_hz != rate_hz:
            import soxr

            samples, rate_hz = soxr.resample(samples, rate_hz, output_hz), output_hz
        sd.play(samples, rate_hz)
    except (sd.PortAudioError, ValueError) as error:
        what = str(error).split("\n", 1)[0]
        raise LivemercError(
            f"Nothing can be played: no audio output ({what}); check the system's sound settings."
        ) from error


def stop() -> None:
    """Ends what plays, if PortAudio is there at all."""
    import sys

    sd = sys.modules.get("sounddevice")
    if sd is not None:
        sd.stop()
