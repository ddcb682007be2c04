"""What a file's own bytes tell of its length, where FFmpeg guesses or believes the file."""

from __future__ import annotations

from pathlib import Path

_ID3_HEADER_BYTES = 10
_LOOKED_INTO_BYTES = 4096
_TAIL_BYTES = 131_072
_UNKNOWN_LENGTH_BYTES = 2**31 - 4096
"""Sizes from here on are what programs write into a WAV when they do not know its length: no evidence."""


def mp3_frames(path: Path) -> int | None:
    """Frames that an MP3's Xing, Info or VBRI header announces; None without one."""
    with path.open("rb") as handle:
        head = handle.read(_ID3_HEADER_BYTES)
        if head[:3] == b"ID3" and len(head) == _ID3_HEADER_BYTES:
            size = (head[6] << 21) | (head[7] << 14) | (head[8] << 7) | head[9]
            handle.seek(_ID3_HEADER_BYTES + size)
        else:
            handle.seek(0)
        first_frame = handle.read(_LOOKED_INTO_BYTES)
    for mark, frames_at, flag in ((b"Xing", 8, 1), (b"Info", 8, 1), (b"VBRI", 14, 0)):
        at = first_frame.find(mark)
        if at < 0 or len(first_frame) < at + frames_at + 4:
            continue
        if flag and not first_frame[at + 7] & flag:
            return None
        return int.from_bytes(first_frame[at + frames_at : at + frames_at + 4], "big") or None
    return None


def ogg_cut_short(path: Path) -> bool:
    """Whether an Ogg file lacks the end-of-stream flag on its last page, or that page is incomplete."""
    with path.open("rb") as handle:
        if handle.read(4) != b"OggS":
            return False
        size = handle.seek(0, 2)
        tail_at = max(0, size - _TAIL_BYTES)
        handle.seek(tail_at)
        tail = handle.read()
    at = tail.rfind(b"OggS")
    if at < 0 or len(tail) < at + 27:
        return True
    segments = tail[at + 27 : at + 27 + tail[at + 26]]
    complete = len(segments) == tail[at + 26] and len(tail) >= at + 27 + len(segments) + sum(segments)
    return not (complete and tail[at + 5] & 0x04)


def wav_cut_short(path: Path) -> bool:
    """Whether a WAV's data chunk announces more than the file holds."""
    with path.open("rb") as handle:
        head = handle.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return False
        while len(chunk := handle.read(8)) == 8:
            size = int.from_bytes(chunk[4:], "little")
            if chunk[:4] == b"data":
                begin = handle.tell()
                return size < _UNKNOWN_LENGTH_BYTES and handle.seek(0, 2) - begin < size
            handle.seek(size + size % 2, 1)
    return False
