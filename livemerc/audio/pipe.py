"""Bytes from a pipe that somebody else may end, and what kind of file they are, if they are one."""

from __future__ import annotations

import contextlib
import io
import os
import select
import sys
import threading
from typing import BinaryIO

_READ_BYTES = 65_536
_KIND_BYTES = 12
_FRAMES_BYTES = 4096
_PACKET_BYTES = 188

_AT_0 = {
    b"fLaC": "FLAC", b"OggS": "Ogg", b"\x1aE\xdf\xa3": "Matroska or WebM", b"ID3": "MP3", b".snd": "AU", b"caff": "CAF",
    b"FLV\x01": "FLV", b"#!AMR": "AMR", b"wvpk": "WavPack", b"0&\xb2u\x8ef\xcf\x11": "ASF or WMA",
}  # fmt: skip
_IN_RIFF = {b"WAVE": "WAV", b"AVI ": "AVI", b"AIFF": "AIFF", b"AIFC": "AIFF"}
# kbit/s by index: layer III of version 1, layer II of version 1, layers II and III of versions 2 and 2.5
_BIT_RATES = {
    (3, 1): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (3, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (2, 1): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


class Pipe:
    """A binary stream to be read by one thread; `close`, from any, ends a waiting read. (On Windows a pipe cannot be
    waited for: there it ends with the next data.)"""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._closed = threading.Event()
        self._wake_read, self._wake_write = os.pipe()
        self._head = b""

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    def peek(self, size: int) -> bytes:
        """The first `size` bytes of what is left, or fewer where it ends before; they stay to be read."""
        while len(self._head) < size and (data := self._next()):
            self._head += data
        return self._head[:size]

    def read(self, size: int = _READ_BYTES) -> bytes:
        """What there is, up to `size` bytes; waits for some. b"" = the end, or closed."""
        if not self._head:
            self._head = self._next()
        data, self._head = self._head[:size], self._head[size:]
        return data

    def _next(self) -> bytes:
        if self._closed.is_set():
            return b""
        try:
            descriptor = self._stream.fileno()
        except io.UnsupportedOperation:  # an object in memory never blocks
            return self._stream.read(_READ_BYTES)
        if sys.platform != "win32":
            ready, _, _ = select.select([descriptor, self._wake_read], [], [])
            if self._wake_read in ready:
                return b""
        # not stream.read(): its lock would be held across the wait
        return os.read(descriptor, _READ_BYTES)

    def close(self) -> None:
        """Thread-safe, idempotent."""
        if not self._closed.is_set():
            self._closed.set()
            os.write(self._wake_write, b"x")

    def __del__(self) -> None:
        for descriptor in (getattr(self, "_wake_read", None), getattr(self, "_wake_write", None)):
            if descriptor is not None:
                with contextlib.suppress(OSError):
                    os.close(descriptor)


def file_in(pipe: Pipe) -> str | None:
    """The kind of file that a pipe's first bytes begin; None: nothing that is known, so probably raw samples."""
    head = pipe.peek(_KIND_BYTES)
    for mark, kind in _AT_0.items():
        if head.startswith(mark):
            return kind
    if head[:4] in (b"RIFF", b"RF64", b"FORM"):
        return _IN_RIFF.get(head[8:12])
    if head[4:8] in (b"ftyp", b"styp"):
        return "MP4 or M4A"
    # Samples may begin with these bytes by chance: the second frame or packet has to be where the first one ends.
    if len(head) >= 4 and (length := _mpeg_frame_bytes(head) or _adts_frame_bytes(head)):
        second = pipe.peek(min(_FRAMES_BYTES, length + _KIND_BYTES))[length:]
        if second[:2] == head[:2] and (_mpeg_frame_bytes(second) or _adts_frame_bytes(second)):
            return "MP3 or AAC"
    if head[:1] == b"G" and set(pipe.peek(4 * _PACKET_BYTES)[::_PACKET_BYTES]) == {ord("G")}:
        return "MPEG transport stream"
    return None


def _mpeg_frame_bytes(head: bytes) -> int | None:
    """Length of the MPEG audio frame (layer II or III) that begins here; None where none does."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = (head[1] >> 3) & 3, (head[1] >> 1) & 3
    rates = _BIT_RATES.get((3, layer) if version == 3 else (2, 1 if layer == 2 else layer))
    bits, rate, padding = head[2] >> 4, (head[2] >> 2) & 3, (head[2] >> 1) & 1
    if version == 1 or rates is None or not 0 < bits < 15 or rate == 3:
        return None
    samples_per_byte = 72 if version != 3 and layer == 1 else 144
    return samples_per_byte * rates[bits] * 1000 // _RATES_HZ[version][rate] + padding


def _adts_frame_bytes(head: bytes) -> int | None:
    """Length of the AAC frame that begins here; None where none does."""
    if len(head) < 6 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return None
    length = ((head[3] & 3) << 11) | (head[4] << 3) | (head[5] >> 5)
    return length if length > 7 else None
