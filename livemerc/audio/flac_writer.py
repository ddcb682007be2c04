"""A FLAC file that is valid at every moment: whole frames only, each handed to the system as soon as it is encoded.

Ready-made muxers keep pages of 32 KiB back, which is a minute of speech. Here FFmpeg encodes (frames of about 0.1 s)
and the container, which in FLAC is one header (RFC 9639, section 8.2), is written by hand.
"""

from __future__ import annotations

import hashlib
from fractions import Fraction
from typing import Any, BinaryIO

import numpy as np

MAX_CHANNELS = 8
_STREAMINFO_AT = 8  # after "fLaC" and the metadata block's header
_LENGTH_AT = _STREAMINFO_AT + 10  # 8 bytes: rate 20 bits, channels 3, bits a sample 5, samples 36
_MD5_AT = _STREAMINFO_AT + 18
_LENGTH_EVERY_S = 1.0
_LARGEST_FRAME_SAMPLES = 100_000
"""Of all channels: FFmpeg's own parser finds no frame that is larger (8 channels at 192 kHz)."""


class FlacWriter:
    """16-bit FLAC into an open, unbuffered, empty file, which stays the caller's.

    `write` keeps at most two frames (about 0.2 s) back. The header's length follows once a second, so a file whose
    writer was killed opens everywhere and holds all but those. Raises `OSError` when the file cannot take it;
    it then ends with its last whole frame. Raises ValueError for a rate or a channel count FLAC has not.
    """

    def __init__(self, file: BinaryIO, rate_hz: int, channels: int = 1) -> None:
        import av

        if not 1 <= channels <= MAX_CHANNELS:
            raise ValueError(f"FLAC holds 1 to {MAX_CHANNELS} channels, not {channels}")
        self._av = av
        self._file = file
        self._rate_hz = rate_hz
        self._layout = av.AudioLayout({1: "mono", 2: "stereo"}.get(channels, f"{channels}c"))
        codec: Any = av.CodecContext.create("flac", "w")
        codec.sample_rate, codec.format, codec.layout = rate_hz, "s16", self._layout
        codec.time_base = Fraction(1, rate_hz)
        try:
            codec.open()
        except (OSError, ValueError) as error:
            raise ValueError(f"FLAC does not take {channels} channels at {rate_hz} Hz ({error})") from error
        self._codec = codec
        self._frame_samples = int(codec.frame_size)
        if self._frame_samples * channels > _LARGEST_FRAME_SAMPLES:
            raise ValueError(f"FLAC does not take {channels} channels at {rate_hz} Hz (decoders refuse such frames)")
        self._held = np.zeros((0, channels), np.int16)
        self._digest = hashlib.md5(usedforsecurity=False)
        self._given = 0  # samples that went into the encoder, which keeps a frame back
        self._encoded = 0
        self._length_written = 0
        self._info = bytearray(codec.extradata)
        self._size = 0
        self._append(b"fLaC" + bytes((0x80, 0, 0, len(self._info))) + self._info)

    @property
    def duration_s(self) -> float:
        """Audio in the file so far."""
        return self._encoded / self._rate_hz

    def write(self, samples: np.ndarray) -> None:
        """samples: (n,) or (n, channels) float32 in [-1, 1]."""
        whole = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)
        self._held = np.concatenate((self._held, whole.reshape(len(whole), -1)))
        size = self._frame_samples
        while len(self._held) >= size:
            frame, self._held = self._held[:size], self._held[size:]
            self._encode(frame)
        if self._encoded - self._length_written >= _LENGTH_EVERY_S * self._rate_hz:
            self._write_length()

    def close(self) -> None:
        """The last frame, the length and the checksum of the samples."""
        if len(self._held):
            frame, self._held = self._held, self._held[:0]
            self._encode(frame)
        self._take(self._codec.encode(None))
        self._write_length()
        self._overwrite(_MD5_AT, self._digest.digest())

    def abandon(self) -> None:
        """After a failed write: the header says what the file holds; nothing is appended."""
        self._write_length()

    def _encode(self, samples: np.ndarray) -> None:
        frame = self._av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout=self._layout)
        frame.sample_rate = self._rate_hz
        frame.pts = self._given
        self._given += len(samples)
        self._digest.update(samples.tobytes())
        self._take(self._codec.encode(frame))

    def _take(self, packets: list[Any]) -> None:
        for packet in packets:
            self._append(bytes(packet))
            if packet.size:  # the last packet carries the encoder's header alone
                self._encoded += packet.duration

    def _append(self, data: bytes) -> None:
        """All of it or nothing: half a frame would be noise at the end."""
        view, done = memoryview(data), 0
        try:
            while done < len(view):
                done += self._file.write(view[done:])
        except OSError:
            self._file.truncate(self._size)
            self._file.seek(self._size)
            raise
        self._size += done

    def _write_length(self) -> None:
        fixed = int.from_bytes(self._info[10:18], "big") & ~((1 << 36) - 1)
        self._overwrite(_LENGTH_AT, (fixed | self._encoded).to_bytes(8, "big"))
        self._length_written = self._encoded

    def _overwrite(self, at: int, data: bytes) -> None:
        self._file.seek(at)
        self._file.write(data)
        self._file.seek(self._size)
