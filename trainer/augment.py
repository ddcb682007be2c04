"""What rooms, microphones and telephones do to speech: (n,) float32 at 16 kHz in and out.

All but `change_speed` and `pad` keep length and alignment. Randomness comes from the generator that is handed in.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

from livemerc.model.speech import SAMPLE_RATE_HZ

CODECS: tuple[tuple[str, str, int, int], ...] = (
    # container, encoder, rate Hz, bit rate
    ("mp3", "libmp3lame", 16_000, 24_000),
    ("mp3", "libmp3lame", 16_000, 48_000),
    ("ogg", "libopus", 16_000, 12_000),
    ("ogg", "libopus", 16_000, 24_000),
    ("wav", "pcm_mulaw", 8_000, 64_000),  # G.711, the telephone
)


def _power(samples: np.ndarray) -> float:
    return float(np.mean(np.square(samples), dtype=np.float64)) + 1e-12


def change_speed(samples: np.ndarray, factor: float) -> np.ndarray:
    """Played `factor` times as fast: shorter and higher for a factor above 1, pitch and formants together."""
    import soxr

    return soxr.resample(samples, SAMPLE_RATE_HZ * factor, SAMPLE_RATE_HZ, quality="MQ").astype(np.float32)


def pad(samples: np.ndarray, before_s: float, after_s: float) -> np.ndarray:
    """Silence around the clip, as an endpointer's pre-roll and hangover leave it."""
    return np.pad(samples, (int(before_s * SAMPLE_RATE_HZ), int(after_s * SAMPLE_RATE_HZ)))


def coloured_noise(n: int, slope: float, rng: np.random.Generator) -> np.ndarray:
    """Noise whose power falls as 1 / f**slope: 0 is white, 1 pink, 2 brown. Unit power."""
    spectrum = np.fft.rfft(rng.standard_normal(n).astype(np.float32))
    hertz = np.maximum(np.fft.rfftfreq(n, 1 / SAMPLE_RATE_HZ), 20.0)
    noise = np.fft.irfft(spectrum * hertz ** (-slope / 2), n)
    return (noise / np.sqrt(_power(noise))).astype(np.float32)


def babble(n: int, voices: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Several voices at once, each from a random point, repeated to length n. Unit power."""
    total = np.zeros(n, np.float32)
    for voice in voices:
        total += np.resize(np.roll(voice, int(rng.integers(len(voice)))), n) / np.sqrt(_power(voice))
    return total / np.float32(np.sqrt(_power(total)))


def add_noise(samples: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """Noise at `snr_db` below the samples' mean power."""
    scale = np.sqrt(_power(samples) / _power(noise) * 10 ** (-snr_db / 10))
    return (samples + np.float32(scale) * noise).astype(np.float32)


def reverberate(samples: np.ndarray, rt60_s: float, direct_db: float, rng: np.random.Generator) -> np.ndarray:
    """A synthetic room: exponentially decaying noise (60 dB in `rt60_s`), `direct_db` between direct sound and tail."""
    n = int(rt60_s * SAMPLE_RATE_HZ)
    t = np.arange(n) / SAMPLE_RATE_HZ
    tail = rng.standard_normal(n) * 10 ** (-3.0 * t / rt60_s)
    tail[: int(rng.uniform(0.002, 0.015) * SAMPLE_RATE_HZ)] = 0.0  # the first reflection comes later than the mouth
    tail *= 10 ** (-direct_db / 20) / np.sqrt(np.sum(tail**2) + 1e-12)
    tail[0] = 1.0
    size = 1 << (len(samples) + n - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)
    return wet[: len(samples)].astype(np.float32)


def band(samples: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    """Band-pass with skirts of about half an octave: a telephone is 300-3400 Hz."""
    hertz = np.maximum(np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE_HZ), 1.0)
    gain = 1 / np.sqrt(1 + (low_hz / hertz) ** 12) / np.sqrt(1 + (hertz / high_hz) ** 12)
    return np.fft.irfft(np.fft.rfft(samples) * gain, len(samples)).astype(np.float32)


def code(samples: np.ndarray, container: str, encoder: str, rate_hz: int, bit_rate: int) -> np.ndarray:
    """Encoded and decoded again through FFmpeg, realigned by cross-correlation and cut to the old length."""
    import av

    peak = float(np.abs(samples).max()) + 1e-9
    pcm = np.clip(samples / peak * 0.9 * 32767, -32768, 32767).astype(np.int16)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as sink:
        stream = sink.add_stream(encoder, rate=rate_hz)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        stream.bit_rate = bit_rate
        to_codec = av.AudioResampler(format=stream.format.name, layout="mono", rate=rate_hz)
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        fifo = av.AudioFifo()
        for out in [*to_codec.resample(frame), *to_codec.resample(None)]:
            out.pts = None
            fifo.write(out)
        size = stream.codec_context.frame_size or 1024
        while (piece := fifo.read(size, partial=True)) is not None:
            sink.mux(stream.encode(piece))
        sink.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer, "r") as source:
        back = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
        pieces = [f.to_ndarray()[0] for frame in [*source.decode(audio=0), None] for f in back.resample(frame)]
    decoded = np.concatenate(pieces).astype(np.float32) * np.float32(peak / 0.9)
    size = 1 << (max(len(decoded), len(samples)) * 2 - 1).bit_length()
    match = np.fft.irfft(np.fft.rfft(decoded, size) * np.conj(np.fft.rfft(samples, size)), size)
    limit = SAMPLE_RATE_HZ // 5  # no encoder here delays by 200 ms
    delay = int(np.argmax(np.concatenate((match[-limit:], match[:limit])))) - limit
    decoded = decoded[delay:] if delay >= 0 else np.pad(decoded, (-delay, 0))
    return np.pad(decoded, (0, max(0, len(samples) - len(decoded))))[: len(samples)]


def augment(samples: np.ndarray, voices: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """One random live condition: speed, surrounding silence, room, noise at 5-30 dB, band, clipping, codec, gain.

    `voices`: clips of other people for babble. The chances are high on purpose: the clean clip is trained on as well.
    """
    if rng.random() < 0.6:
        samples = change_speed(samples, float(rng.uniform(0.88, 1.14)))
    if rng.random() < 0.6:
        samples = pad(samples, float(rng.uniform(0.0, 0.35)), float(rng.uniform(0.0, 0.6)))
    if rng.random() < 0.5:
        samples = reverberate(samples, float(rng.uniform(0.15, 0.8)), float(rng.uniform(-2.0, 15.0)), rng)
    if rng.random() < 0.85:
        n = len(samples)
        if voices and rng.random() < 0.3:
            noise = babble(n, voices, rng)
        else:
            noise = coloured_noise(n, float(rng.uniform(0.0, 2.0)), rng)
        samples = add_noise(samples, noise, float(rng.uniform(5.0, 30.0)))
    draw = rng.random()
    if draw < 0.15:
        samples = band(samples, 300.0, 3400.0)
    elif draw < 0.45:
        samples = band(samples, float(rng.uniform(20.0, 250.0)), float(rng.uniform(3000.0, 8000.0)))
    if rng.random() < 0.1:
        limit = float(np.abs(samples).max()) * float(rng.uniform(0.3, 0.8))
        samples = np.clip(samples, -limit, limit)
    if rng.random() < 0.25:
        samples = code(samples, *CODECS[int(rng.integers(len(CODECS)))])
    peak = float(np.abs(samples).max()) + 1e-9
    return (samples * np.float32(10 ** rng.uniform(-1.5, 0.0) / peak)).astype(np.float32)
