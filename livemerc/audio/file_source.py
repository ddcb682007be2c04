"""Files: whatever PyAV (FFmpeg) decodes, streamed at the file's own rate, mono or a channel for each speaker."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from livemerc.audio.source import Block, SourceHealth, block_length, speakers_and_channels
from livemerc.errors import ConfigError, InputError, cause_of
from livemerc.text_safety import encodable

# Containers whose header declares the length; elsewhere FFmpeg guesses it from the bit rate: no evidence.
_DECLARED_LENGTH = {"wav", "w64", "flac", "aiff", "au", "mov", "mp4", "m4a", "matroska", "webm", "caf"}
_TRUNCATION_TOLERANCE_S = 0.15
_LOOK_EVERY_S = 0.1
_MEND = "give a file that FFmpeg can decode (wav, flac, mp3, m4a, opus, or a video with sound)"


class FileSource:
    """Plays a file: `speed` 1.0 at real pace, 2.0 twice as fast, 0 as fast as it goes.

    `speakers`: who is on which channel, in order; one name or none: the channels are mixed. The container is opened
    and its first audio decoded here, so nothing starts on bad input.
    Raises `InputError`: missing, a directory, empty, unreadable, not audio, no audio stream, no samples;
    `ConfigError`: not as many speakers as channels.
    """

    def __init__(
        self,
        path: str | Path,
        speed: float = 1.0,
        block_ms: float = 20.0,
        name: str | None = None,
        speakers: tuple[str, ...] = (),
    ) -> None:
        if speed < 0 or not math.isfinite(speed):
            raise InputError(f"--speed {speed} is not a pace; give 1.0 for real time or 0 for as fast as it goes.")
        self._path = Path(path)
        self.speed = speed
        self.name = name if name is not None else encodable(f"file:{self._path.name}")
        self.live = speed > 0
        self.speakers = speakers
        self.warnings: list[str] = []
        self._closed = threading.Event()
        self._going = threading.Event()
        self._going.set()
        self._iterating = threading.Lock()
        self._decoder = _Decoder(self._path, separate=len(speakers) > 1)
        if len(speakers) > 1 and self._decoder.channels != len(speakers):
            channels = self._decoder.channels
            self._decoder.close()
            raise ConfigError(speakers_and_channels(speakers, channels, str(path)))
        self.rate_hz = self._decoder.rate_hz
        self._block_samples = block_length(self.rate_hz, block_ms)

    @property
    def duration_s(self) -> float | None:
        """As the header declares it; None where it does not."""
        return self._decoder.declared_s

    def blocks(self) -> Iterator[Block]:
        if not self._iterating.acquire(blocking=False):
            if self._closed.is_set():
                return  # closed before it began
            raise RuntimeError("blocks() of a FileSource is for one iteration")
        try:
            begin_s = time.monotonic()
            done = 0
            for samples in self._rechunk():
                if self.speed > 0:
                    # a block is due when its last sample has sounded
                    due_s = begin_s + (done + samples.shape[1]) / self.rate_hz / self.speed
                    self._closed.wait(max(0.0, due_s - time.monotonic()))
                begin_s += self._held()
                if self._closed.is_set():
                    return
                for channel, heard in enumerate(samples):
                    yield Block(heard, done / self.rate_hz, channel=channel)
                done += samples.shape[1]
            if not self._closed.is_set():  # a stop is no truncation
                self.warnings.extend(self._decoder.verdict(done))
        finally:
            self._decoder.close()

    def hold(self, held: bool) -> None:
        """Give no further block until it is let go; from any thread."""
        if held:
            self._going.clear()
        else:
            self._going.set()

    def _held(self) -> float:
        """Waits while it is held; the seconds that took."""
        if self._going.is_set():
            return 0.0
        since_s = time.monotonic()
        while not self._going.wait(_LOOK_EVERY_S) and not self._closed.is_set():
            pass
        return time.monotonic() - since_s

    def _rechunk(self) -> Iterator[np.ndarray]:
        """(channels, n) float32."""
        pending: list[np.ndarray] = []
        held = 0
        size = self._block_samples
        for piece in self._decoder.pieces():
            if self._closed.is_set():
                return
            pending.append(piece)
            held += piece.shape[1]
            if held < size:
                continue
            joined = np.concatenate(pending, axis=1) if len(pending) > 1 else piece
            whole = held - held % size
            for start in range(0, whole, size):
                yield joined[:, start : start + size]
            pending, held = [joined[:, whole:]], held - whole
        if held:
            yield np.concatenate(pending, axis=1)

    def close(self) -> None:
        self._closed.set()
        # the decoder is not thread-safe: while blocks() runs, it closes it itself
        if self._iterating.acquire(blocking=False):
            self._decoder.close()

    def health(self) -> SourceHealth:
        return SourceHealth()


class _Decoder:
    """One audio stream of a container as pieces, (channels, n) float32, at the rate of its first frame.

    Mono, unless `separate`: then as many channels as the first frame has.
    """

    def __init__(self, path: Path, *, separate: bool = False) -> None:
        self._path = path
        self._separate = separate
        _check_path(path)
        import av
        import av.logging

        # FFmpeg's own remarks would land between events or on the dashboard
        av.logging.set_level(av.logging.PANIC)
        self._av = av
        self._damaged = 0
        self._resampler: Any = None
        self._format_seen: tuple[Any, ...] | None = None
        self.declared_s: float | None = None
        try:
            # "file:": a colon in a name is no protocol; the whitelist keeps playlists off the network
            self._container = av.open(f"file:{path}", options={"protocol_whitelist": "file"}, metadata_errors="replace")
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise InputError(f"{path}: this is not audio that can be decoded ({_reason(error)}); {_MEND}.") from error
        if not self._container.streams.audio:
            self._container.close()
            raise InputError(f"{path}: there is no audio stream in this file; {_MEND}.")
        self._stream = self._container.streams.audio[0]
        self._frames = self._decode()
        self._first = next(self._frames, None)
        if self._first is None:
            self._container.close()
            if self._damaged:
                raise InputError(f"{path}: nothing in this file can be decoded; {_MEND}.")
            raise InputError(f"{path}: this file holds no audio (0 samples); {_MEND}.")
        self.rate_hz = int(self._first.sample_rate)
        self._layout = self._first.layout
        self.channels = self._layout.nb_channels if separate else 1
        self.declared_s = self._declared_length()

    def _decode(self) -> Iterator[Any]:
        """Frames with samples; a damaged packet is skipped and counted, as FFmpeg's own tools do."""
        errors = (self._av.error.FFmpegError, OSError, ValueError)
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except errors:
                self._damaged += 1
                return
            try:
                frames = packet.decode()
            except self._av.error.EOFError:
                continue
            except errors:
                self._damaged += 1
                continue
            for frame in frames:
                if frame.samples > 0 and frame.sample_rate > 0:
                    yield frame

    def pieces(self) -> Iterator[np.ndarray]:
        frame = self._first
        self._first = None
        while frame is not None:
            yield from self._resampled(frame)
            frame = next(self._frames, None)
        if self._resampler is not None:
            yield from self._arrays(self._resampler.resample(None))

    def _resampled(self, frame: Any) -> Iterator[np.ndarray]:
        seen = (frame.format.name, frame.layout.name, frame.sample_rate)
        if seen != self._format_seen:
            if self._resampler is not None:
                yield from self._arrays(self._resampler.resample(None))
            # chained streams may change their format on the way: the rate handed over stays
            self._resampler = self._av.AudioResampler(
                format="fltp", layout=self._target_layout(frame), rate=self.rate_hz
            )
            self._format_seen = seen
        frame.pts = None  # gaps in a file's time stamps are not ours to fill
        yield from self._arrays(self._resampler.resample(frame))

    def _target_layout(self, frame: Any) -> Any:
        if self._separate:
            return self._layout
        # FFmpeg downmixes known layouts with their proper weights; unknown ones stay, and are averaged below
        return "mono" if frame.layout.nb_channels <= 2 or "channels" not in frame.layout.name else frame.layout

    def _arrays(self, frames: list[Any]) -> Iterator[np.ndarray]:
        for frame in frames:
            if frame.samples > 0:
                planes = frame.to_ndarray()
                if planes.shape[0] != self.channels:
                    planes = planes.mean(axis=0, keepdims=True)
                planes = np.nan_to_num(planes, nan=0.0, posinf=1.0, neginf=-1.0)
                yield np.clip(planes, -1.0, 1.0).astype(np.float32, copy=False)

    def _declared_length(self) -> float | None:
        names = set(self._container.format.name.split(","))
        if not names & _DECLARED_LENGTH and not (names == {"mp3"} and _has_frame_count(self._path)):
            return None
        if self._stream.duration is not None and self._stream.time_base is not None:
            return float(self._stream.duration * self._stream.time_base)
        if self._container.duration is not None:
            return self._container.duration / 1e6
        return None

    def verdict(self, samples: int) -> list[str]:
        """Sentences about what was missing, after everything was decoded."""
        heard_s = samples / self.rate_hz
        if self.declared_s is not None and heard_s < self.declared_s - _TRUNCATION_TOLERANCE_S:
            whole = f"{heard_s:.1f} s of {self.declared_s:.1f} s"
            return [f"{self._path}: truncated after {whole}; what there is was processed."]
        if _ogg_cut_short(self._path) or _wav_cut_short(self._path):
            return [f"{self._path}: truncated after {heard_s:.1f} s; what there is was processed."]
        if self._damaged:
            return [f"{self._path}: {self._damaged} damaged packets were skipped; {heard_s:.1f} s were processed."]
        return []

    def close(self) -> None:
        self._first = None
        self._container.close()


def _check_path(path: Path) -> None:
    try:
        if path.is_dir():
            raise InputError(f"{path}: this is a directory; give an audio file.")
        if path.exists() and not path.is_file():  # opening a pipe waits for its writer, and looking into it eats it
            raise InputError(f"{path}: this is a pipe or a device, no file; pipe raw samples into --stdin instead.")
        with path.open("rb") as handle:
            if not handle.read(1):
                raise InputError(f"{path}: this file is empty; {_MEND}.")
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file; check the path.") from error
    except PermissionError as error:
        raise InputError(f"{path}: this file may not be read; check its permissions (chmod u+r).") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path!s}: this file cannot be read ({_reason(error)}); check the path.") from error


def _reason(error: Exception) -> str:
    cause = cause_of(error)
    return cause[0].lower() + cause[1:]


def _has_frame_count(path: Path) -> bool:
    """Whether an MP3 begins with a Xing, Info or VBRI header: then its length is declared, not guessed."""
    with path.open("rb") as handle:
        head = handle.read(10)
        if head[:3] == b"ID3" and len(head) == 10:
            size = (head[6] << 21) | (head[7] << 14) | (head[8] << 7) | head[9]
            handle.seek(10 + size)
        else:
            handle.seek(0)
        first_frame = handle.read(4096)
    return any(mark in first_frame for mark in (b"Xing", b"Info", b"VBRI"))


def _ogg_cut_short(path: Path) -> bool:
    """Whether an Ogg file lacks the end-of-stream flag on its last page, or that page is incomplete."""
    with path.open("rb") as handle:
        if handle.read(4) != b"OggS":
            return False
        size = handle.seek(0, 2)
        tail_at = max(0, size - 131_072)
        handle.seek(tail_at)
        tail = handle.read()
    at = tail.rfind(b"OggS")
    if at < 0 or len(tail) < at + 27:
        return True
    segments = tail[at + 27 : at + 27 + tail[at + 26]]
    complete = len(segments) == tail[at + 26] and len(tail) >= at + 27 + len(segments) + sum(segments)
    return not (complete and tail[at + 5] & 0x04)


def _wav_cut_short(path: Path) -> bool:
    """Whether a WAV's data chunk announces more than the file holds (FFmpeg quietly believes the file).

    Sizes above 2 GiB are what programs write when they do not know the length: no evidence.
    """
    with path.open("rb") as handle:
        head = handle.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return False
        while len(chunk := handle.read(8)) == 8:
            size = int.from_bytes(chunk[4:], "little")
            if chunk[:4] == b"data":
                begin = handle.tell()
                return size < 2**31 - 4096 and handle.seek(0, 2) - begin < size
            handle.seek(size + size % 2, 1)
    return False
