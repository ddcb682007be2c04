"""The journal of one room: what another server needs to go on with it.

`journal` holds who speaks, the events as they were sent, and the embeddings of utterances; `audio-N` the last sound, as
long as it may have to be heard again.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec

from livemerc.protocol import Pace
from livemerc.purpose import Purpose

LEAD_IN_S = 30.0
"""So long before what is to be heard again the ears begin to hear: they know the noise by then."""
HEARD_AGAIN_S = LEAD_IN_S + 30.0
"""Sound that is kept of what is judged; an utterance is no longer than 30 s."""
SEGMENT_S = 10.0
"""Of a file of audio: what need not be heard again goes in such pieces."""
_AUDIO = "audio-"
_LENGTH_BYTES = 4


class Opened(msgspec.Struct, frozen=True, tag="opened"):
    """The room's own, by whoever opened it; `checkpoint`: SHA-256 of the one whose embeddings follow."""

    purpose: Purpose | None
    language: str | None
    pace: Pace
    rate_hz: int
    checkpoint: str


class Joined(msgspec.Struct, frozen=True, tag="joined"):
    """Channels are numbered in the order of these; `start_s`: on the room's clock."""

    session: str
    speaker: str | None
    rate_hz: int
    start_s: float


class Left(msgspec.Struct, frozen=True, tag="left"):
    channel: int


class Known(msgspec.Struct, frozen=True, tag="known"):
    """Embeddings as `livemerc.pipeline.entry.packed` makes them; they are as much somebody's voice as sound is."""

    utterance_id: str
    t1: bytes | None
    voice: bytes | None


class Said(msgspec.Struct, frozen=True, tag="said"):
    """An event as it is sent, with its number."""

    seq: int
    line: str


class Heard(msgspec.Struct, frozen=True, tag="heard"):
    """s16le; `at`: its first sample on its channel."""

    channel: int
    at: int
    pcm: bytes


class Lost(msgspec.Struct, frozen=True, tag="lost"):
    channel: int
    at: int
    samples: int


Record = Opened | Joined | Left | Known | Said | Heard | Lost
_decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)


@dataclass(slots=True)
class Found:
    """What a journal held when it was opened. `sound`: in the order in which it came, without what has gone."""

    opened: Opened | None = None
    joined: list[Joined] = field(default_factory=list)
    left: set[int] = field(default_factory=set)
    known: dict[str, Known] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    sound: list[Heard | Lost] = field(default_factory=list)
    age_s: float = 0.0
    """How long ago it was last written to."""

    def ends_s(self, record: Heard | Lost) -> float:
        """Where it ends on the room's clock."""
        channel = self.joined[record.channel]
        samples = record.samples if isinstance(record, Lost) else len(record.pcm) // 2
        return channel.start_s + (record.at + samples) / channel.rate_hz

    def take(self, record: Record) -> None:
        if isinstance(record, Opened):
            self.opened = record
        elif isinstance(record, Joined):
            self.joined.append(record)
        elif isinstance(record, Left):
            self.left.add(record.channel)
        elif isinstance(record, Known):
            self.known[record.utterance_id] = record
        elif isinstance(record, Said):
            self.said.append(record)
        elif isinstance(record, Lost):
            self.lost.append(record)


class RoomJournal:
    """One room's, for whoever owns it. `write` is for any thread, the rest for one. Raises `OSError` where the disk
    does."""

    def __init__(self, folder: Path, file: BinaryIO) -> None:
        self.folder = folder
        self.found = Found()
        self._file = file
        self._writing = threading.Lock()
        self.failure: OSError | None = None
        """Why it could not be written; then nothing more is."""
        self._ends_s: dict[int, float] = {}  # of the segments, the newest last
        self._audio: BinaryIO | None = None
        self._audio_began_s = 0.0
        self._read()

    def _read(self) -> None:
        self.found.age_s = time.time() - os.fstat(self._file.fileno()).st_mtime
        for record in _records(self._file):
            self.found.take(record)
        for number in sorted(_segments(self.folder)):
            end_s = 0.0
            with self._segment(number).open("r+b") as audio:
                for record in _records(audio):
                    if isinstance(record, Heard | Lost) and record.channel < len(self.found.joined):
                        self.found.sound.append(record)
                        end_s = max(end_s, self.found.ends_s(record))
            self._ends_s[number] = end_s

    @property
    def begun(self) -> bool:
        """Whether there is a session in it."""
        return self.found.opened is not None

    def write(self, record: Record) -> None:
        """The system has it when this returns, whatever becomes of the process."""
        with self._writing:
            if not self._file.closed and self.failure is None:
                append_whole(self._file, _framed(record))

    def hear(self, record: Heard | Lost, t_s: float) -> None:
        """Sound that reaches to `t_s` on the room's clock."""
        if isinstance(record, Lost):
            self.write(record)
        if self._file.closed or self.failure is not None:
            return
        if self._audio is None or t_s - self._audio_began_s >= SEGMENT_S:
            self._next_segment(t_s)
        assert self._audio is not None
        append_whole(self._audio, _framed(record))
        number = max(self._ends_s)
        self._ends_s[number] = max(self._ends_s[number], t_s)

    def forget(self, until_s: float) -> None:
        """No sound before that has to be heard again."""
        for number in [number for number, end_s in self._ends_s.items() if end_s < until_s]:
            if number != max(self._ends_s):  # it is being written to
                self._segment(number).unlink(missing_ok=True)
                del self._ends_s[number]

    def close(self) -> None:
        """Somebody else may own the room now."""
        with self._writing:
            if self._audio is not None:
                self._audio.close()
            self._file.close()

    def spoil(self, failure: OSError) -> None:
        """The session cannot be gone on with; its owner keeps the room."""
        with self._writing, contextlib.suppress(OSError):
            self.failure = failure
            self._file.truncate(0)

    def remove(self) -> None:
        """The session is over: nothing of it stays."""
        with self._writing:
            shutil.rmtree(self.folder, ignore_errors=True)
            if self._audio is not None:
                self._audio.close()
            self._file.close()

    def _segment(self, number: int) -> Path:
        return self.folder / f"{_AUDIO}{number:06}"

    def _next_segment(self, t_s: float) -> None:
        if self._audio is not None:
            self._audio.close()
        number = max(self._ends_s, default=0) + 1
        self._audio = open_own(self._segment(number))
        self._audio_began_s = self._ends_s[number] = t_s


def open_own(path: Path) -> BinaryIO:
    """For reading and appending, by its owner alone."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    return open(os.open(path, flags, 0o600), "r+b", buffering=0)


def append_whole(file: BinaryIO, data: bytes) -> None:
    """All of it, or the file is as it was."""
    size = file.seek(0, os.SEEK_END)
    try:
        if file.write(data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError:
        with contextlib.suppress(OSError):
            file.truncate(size)
        raise


def _segments(folder: Path) -> Iterator[int]:
    for path in folder.glob(f"{_AUDIO}*"):
        yield int(path.name.removeprefix(_AUDIO))


def _framed(record: Record) -> bytes:
    data = msgspec.msgpack.encode(record)
    return len(data).to_bytes(_LENGTH_BYTES, "little") + data


def _records(file: BinaryIO) -> Iterator[Record]:
    """To the end, or to where its writer died: what it did not bring to an end is cut off."""
    file.seek(0)
    data = memoryview(file.read())
    at = 0
    while len(data) - at >= _LENGTH_BYTES:
        length = int.from_bytes(data[at : at + _LENGTH_BYTES], "little")
        body = data[at + _LENGTH_BYTES : at + _LENGTH_BYTES + length]
        if len(body) < length:
            break
        try:
            record = _decoder.decode(body)
        except msgspec.DecodeError:
            break
        yield record
        at += _LENGTH_BYTES + length
    file.truncate(at)
