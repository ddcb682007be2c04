"""One sound track of a container as pieces at their times: whatever PyAV (FFmpeg) decodes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from livemerc.audio.downmix import Downmix
from livemerc.audio.evidence import mp3_frames, ogg_cut_short, wav_cut_short
from livemerc.audio.pipe import Pipe
from livemerc.audio.planar import planar
from livemerc.audio.presentation_clock import PresentationClock
from livemerc.audio.tracks import Sounding, choose_track, listed, silence_told, tracks_of
from livemerc.errors import ConfigError, InputError, cause_of

# Containers whose header declares the length; elsewhere FFmpeg guesses it from the bit rate: no evidence.
_DECLARED_LENGTH = {"wav", "w64", "flac", "aiff", "au", "mov", "mp4", "m4a", "matroska", "webm", "caf"}
_MATROSKA = {"matroska", "webm"}
_TRUNCATION_TOLERANCE_S = 0.15
_MP3_TOLERANCE_S = 0.3
"""What an encoder puts before and behind is counted among the frames, and not heard."""
_TICK_S = 2.0
"""In a gap, time passes in such steps. They are longer than the silence that ears fill in, so that a sound behind a gap
is heard exactly as one at the beginning."""
_LOOKED_AHEAD_US = "1000000"
"""So much of a pipe FFmpeg looks at before it gives the first sound: it comes as slowly as it is spoken."""
_READ = ("audio", "video", "subtitle")
MEND = "give a file that FFmpeg can decode (wav, flac, mp3, m4a, opus, or a video with sound)"


class Piece(NamedTuple):
    """A stretch of decoded sound."""

    samples: np.ndarray
    """(channels, n) float32; n = 0: only time has passed."""
    start: int
    """Where it begins, in samples since the container's start: not before the last piece's end, but for a clock that is
    corrected by less than a second."""


class Decoder:
    """Pieces of one track at the rate of its first frame, or the one that is asked for.

    Mono, unless `separate`: then as many channels as the first frame has. Opens the file and decodes its first frame:
    raises `InputError` where there is none, and `ConfigError` for a `track` (number or language) that is not there.
    """

    def __init__(self, path: Path, *, separate: bool = False, track: str | None = None) -> None:
        _check_path(path)
        # "file:": a colon in a name is no protocol; the whitelist keeps playlists off the network
        self._open(f"file:{path}", {"protocol_whitelist": "file"}, path, separate=separate, track=track)

    @classmethod
    def of_pipe(cls, pipe: Pipe, rate_hz: int) -> Decoder:
        """What comes through a pipe, mono, at `rate_hz`. Waits for its beginning. Raises `InputError`."""
        decoder = cls.__new__(cls)
        decoder._open(pipe, {"protocol_whitelist": "pipe", "analyzeduration": _LOOKED_AHEAD_US}, None, rate_hz=rate_hz)
        return decoder

    def _open(
        self,
        opened: Any,
        options: dict[str, str],
        path: Path | None,
        *,
        separate: bool = False,
        track: str | None = None,
        rate_hz: int | None = None,
    ) -> None:
        import av
        import av.logging

        # FFmpeg's own remarks would land between events or on the dashboard
        av.logging.set_level(av.logging.PANIC)
        self._av = av
        self._path = path
        self._where = where = "stdin" if path is None else str(path)
        self._wanted_hz = rate_hz
        self._separate = separate
        self._damaged = self._damaged_behind = 0
        self._resampler: Any = None
        self._format_seen: tuple[Any, ...] | None = None
        self._ends_s: dict[int, float] = {}
        self._frame_samples = 0
        try:
            self._container = av.open(opened, options=options, metadata_errors="replace")
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise InputError(f"{where}: this is not audio that can be decoded ({_reason(error)}); {MEND}.") from error
        try:
            self._begin(track)
        except (InputError, ConfigError):
            self._container.close()
            raise

    def _begin(self, track: str | None) -> None:
        streams = self._container.streams
        if not streams.audio:
            raise InputError(f"{self._where}: there is no audio stream in this file; {MEND}.")
        self.tracks = tracks_of(self._container)
        if not self.tracks:
            raise InputError(f"{self._where}: the audio in this file is of a kind that cannot be decoded; {MEND}.")
        self.track = choose_track(self.tracks, track, self._where)
        self._stream = streams[self.track.stream]
        self._sounding = {track.number: Sounding() for track in self.tracks} if len(self.tracks) > 1 else {}
        self._numbers = {track.stream: track.number for track in self.tracks}
        self._read = [s for s in streams if s.type in _READ and (s.type != "audio" or s.index in self._numbers)]
        self._frames = self._decode()
        self._first = next(self._frames, None)
        if self._first is None:
            if self._damaged or self._damaged_behind:
                raise InputError(f"{self._where}: nothing in this file can be decoded; {MEND}.")
            raise InputError(f"{self._where}: this file holds no audio (0 samples); {MEND}.")
        self.rate_hz = self._wanted_hz or int(self._first.sample_rate)
        self._layout = self._first.layout
        self.channels = self._layout.nb_channels if self._separate else 1
        self._downmix = Downmix(self.rate_hz)
        start_s = None if self._container.start_time is None else self._container.start_time / 1e6
        broadcast = self._container.format.name == "mpegts"
        self._clock = PresentationClock(self.rate_hz, start_s, broadcast=broadcast)
        self._start_s = start_s or 0.0
        self._names = set(self._container.format.name.split(","))
        self.declared_s = self._declared_length()

    @property
    def remarks(self) -> list[str]:
        """What to say before anything is heard: which track it is, where there are several."""
        if len(self.tracks) < 2:
            return []
        return [f"{listed(self.tracks, self._where)}: {self.track.number} is heard; --audio-track chooses another."]

    def _decode(self) -> Iterator[Any]:
        """Frames with samples; a damaged packet is skipped and counted, as FFmpeg's own tools do."""
        errors = (self._av.error.FFmpegError, OSError, ValueError)
        packets = self._container.demux(self._read)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except errors:
                self._damaged += 1
                return
            self._note_end(packet)
            ours = packet.stream_index == self._stream.index
            if not ours and not self._wanted(packet):
                continue
            try:
                frames = packet.decode()
            except self._av.error.EOFError:
                continue
            except errors:
                # behind the last sound it is padding, or a tag, and nothing is missed
                self._damaged_behind += ours
                continue
            for frame in frames:
                if frame.samples <= 0 or frame.sample_rate <= 0:
                    continue
                if ours:
                    self._damaged, self._damaged_behind = self._damaged + self._damaged_behind, 0
                    self._frame_samples = max(self._frame_samples, frame.samples)
                    yield frame
                else:
                    self._sounding[self._numbers[packet.stream_index]].feed(
                        planar(frame.to_ndarray(), frame.layout.nb_channels), frame.sample_rate
                    )

    def _wanted(self, packet: Any) -> bool:
        """Whether it belongs to a track of which is not yet known that it sounds."""
        number = self._numbers.get(packet.stream_index)
        return number is not None and bool(self._sounding) and not self._sounding[number]

    def _note_end(self, packet: Any) -> None:
        if packet.pts is not None and packet.time_base is not None:
            end_s = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            self._ends_s[packet.stream_index] = max(end_s, self._ends_s.get(packet.stream_index, end_s))

    def chunks(self, size: int) -> Iterator[Piece]:
        """To the end of the sound, `size` samples each, but for the last one before the clock jumps. In a gap they are
        empty, and time passes."""
        pending: list[np.ndarray] = []
        held = position = 0  # samples that wait, and where they begin
        for piece, start in self._pieces():
            if start != position + held:
                if held:
                    yield Piece(np.concatenate(pending, axis=1), position)
                yield from self._gap(position + held, start)
                pending, held, position = [], 0, start
            pending.append(piece)
            held += piece.shape[1]
            if held < size:
                continue
            joined = np.concatenate(pending, axis=1) if len(pending) > 1 else piece
            whole = held - held % size
            for at in range(0, whole, size):
                yield Piece(joined[:, at : at + size], position + at)
            pending, held, position = [joined[:, whole:]], held - whole, position + whole
        if held:
            yield Piece(np.concatenate(pending, axis=1), position)

    def _gap(self, begin: int, end: int) -> Iterator[Piece]:
        """Nothing sounds from `begin` to `end`, and time passes all the same."""
        step = round(_TICK_S * self.rate_hz)
        nothing = np.zeros((self.channels, 0), np.float32)
        for at in range(begin, end - step, step):
            yield Piece(nothing, at)

    def _pieces(self) -> Iterator[Piece]:
        """As they are decoded."""
        frame = self._first
        self._first = None
        while frame is not None:
            yield from self._resampled(frame)
            frame = next(self._frames, None)
        if self._resampler is not None:
            yield from self._placed(self._resampler.resample(None), None)

    def _resampled(self, frame: Any) -> Iterator[Piece]:
        seen = (frame.format.name, frame.layout.name, frame.sample_rate)
        if seen != self._format_seen:
            if self._resampler is not None:
                yield from self._placed(self._resampler.resample(None), None)
            # chained streams may change their format on the way: the rate handed over stays
            self._resampler = self._av.AudioResampler(
                format="fltp", layout=self._target_layout(frame), rate=self.rate_hz
            )
            self._format_seen = seen
        stamp_s = None if frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base)
        frame.pts = None  # the clock places what comes out; the resampler would fill gaps in its own way
        yield from self._placed(self._resampler.resample(frame), stamp_s)

    def _target_layout(self, frame: Any) -> Any:
        if self._separate:
            return self._layout
        # FFmpeg downmixes surround with its proper weights; two channels may cancel, and unknown ones are averaged
        return "mono" if frame.layout.nb_channels > 2 and "channels" not in frame.layout.name else frame.layout

    def _placed(self, frames: list[Any], stamp_s: float | None) -> Iterator[Piece]:
        for frame in frames:
            if frame.samples <= 0:
                continue
            planes = np.nan_to_num(frame.to_ndarray(), nan=0.0, posinf=1.0, neginf=-1.0)
            if self._sounding and not self._sounding[self.track.number]:
                self._sounding[self.track.number].feed(planes, self.rate_hz)
            if not self._separate:
                planes = self._downmix.feed(planes)
            elif len(planes) != self.channels:
                planes = planes.mean(axis=0, keepdims=True)
            samples = np.clip(planes, -1.0, 1.0).astype(np.float32, copy=False)
            place = self._clock.place(stamp_s, samples.shape[1])
            stamp_s = None
            if place.silence:
                yield Piece(np.zeros((self.channels, place.silence), np.float32), place.start - place.silence)
            yield Piece(samples, place.start)

    def _declared_length(self) -> float | None:
        """Seconds from the container's start to where its header says that this track ends, or the container."""
        names = self._names
        if not names & _DECLARED_LENGTH and not (names == {"mp3"} and self._mp3_frames()):
            return None
        # what FFmpeg says of a track of Matroska it has from the container's length
        if self._stream.duration is not None and self._stream.time_base is not None and not names & _MATROSKA:
            begin_s = float((self._stream.start_time or 0) * self._stream.time_base)
            return float(self._stream.duration * self._stream.time_base) + max(0.0, begin_s - self._start_s)
        if self._container.duration is not None:
            return self._container.duration / 1e6
        return None

    @property
    def length_s(self) -> float | None:
        """How long it goes on, as far as the container knows or FFmpeg guesses."""
        if self.declared_s is not None:
            return self.declared_s
        return None if self._container.duration is None else self._container.duration / 1e6

    def _mp3_frames(self) -> int | None:
        return None if self._path is None else mp3_frames(self._path)

    def verdict(self) -> list[str]:
        """Sentences about what was missing or strange, after everything was decoded."""
        sounding = {number: bool(sounds) for number, sounds in self._sounding.items()}
        told = [silence_told(self.track, sounding, self._where)] if sounding else []
        if self._downmix.cancelled:
            told.append(
                f"{self._where}: left and right cancel each other, so one of them is inverted; their difference was "
                "heard instead of their sum."
            )
        if side := self._downmix.silent_side:
            told.append(f"{self._where}: the {side} channel is silent; the other one alone was heard.")
        return [*filter(None, told), *self._missing()]

    def _missing(self) -> list[str]:
        heard_s = self._clock.position / self.rate_hz
        declared_s, reached_s, tolerance_s = self._evidence(heard_s)
        if declared_s is not None and reached_s < declared_s - tolerance_s:
            whole = f"{heard_s:.1f} s of {declared_s:.1f} s"
            return [f"{self._where}: truncated after {whole}; what there is was processed."]
        if self._path is not None and (ogg_cut_short(self._path) or wav_cut_short(self._path)):
            return [f"{self._where}: truncated after {heard_s:.1f} s; what there is was processed."]
        if self._damaged:
            return [f"{self._where}: {self._damaged} damaged packets were skipped; {heard_s:.1f} s were processed."]
        return []

    def _evidence(self, heard_s: float) -> tuple[float | None, float, float]:
        """Seconds that are declared, that were reached, and the difference that counts."""
        if self._names == {"mp3"}:
            frames = self._mp3_frames()
            # FFmpeg guesses by the size of the file where there is padding behind the sound
            declared_s = None if frames is None else frames * self._frame_samples / int(self._stream.rate)
            return declared_s, heard_s, _MP3_TOLERANCE_S
        if not self._names & _MATROSKA:
            reached_s = self._ends_s.get(self._stream.index, 0.0) - self._start_s
            return self.declared_s, max(heard_s, reached_s), _TRUNCATION_TOLERANCE_S
        # The length of the whole container: what outlasts the sound counts, too. Matroska counts it from 0.
        reached_s = max(self._ends_s.values(), default=0.0)
        return self.declared_s, max(heard_s, reached_s), _TRUNCATION_TOLERANCE_S

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
                raise InputError(f"{path}: this file is empty; {MEND}.")
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file; check the path.") from error
    except PermissionError as error:
        raise InputError(f"{path}: this file may not be read; check its permissions (chmod u+r).") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path!s}: this file cannot be read ({_reason(error)}); check the path.") from error


def _reason(error: Exception) -> str:
    cause = cause_of(error)
    return cause[0].lower() + cause[1:]
