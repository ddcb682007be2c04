"""Writes a session's folder (`livemerc.sessions.journal`) while the session runs, and never stands in its way.

Events are appended in the caller's thread, each with one write; audio goes through a queue to a thread of its own.
Whatever happens to the disk stops the recording, with a sentence that says what was kept; never the session.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np

from livemerc import __version__
from livemerc.audio.flac_writer import FlacWriter
from livemerc.audio.source import Block
from livemerc.config import Config
from livemerc.errors import ConfigError
from livemerc.events import CheckpointInfo, Event, UtteranceFinal, encode
from livemerc.notation import clock
from livemerc.sessions.journal import AUDIO_FILE, EVENTS_FILE, SESSION_FILE, AudioTrack, RerunOf, SessionInfo

_FOLDER_MODE = 0o700
_FILE_MODE = 0o600
_BLOCKS_WAITING = 3000
"""A minute of blocks of 20 ms: a disk that takes none for longer is no place for audio."""
_JUMP_S = 0.2
"""As in the ears: a clock that runs ahead of the samples by more has jumped; less is the device's jitter."""
_DRIFT_S = 0.01
"""The device's own clock is followed within this, a sample a block: no clock is off by so much."""
_CHANNELS_APART_S = 5.0
"""A channel that is behind the others by more (its device is gone) is silence in the file."""
_SILENCE_S = 1.0
_CLOSE_WITHIN_S = 1.5
"""A dead network share must not hold up the end of the session."""


def check_new(folder: Path) -> None:
    """Raises `ConfigError` unless `folder` can become a session's own: it must not exist yet, or be empty."""
    try:
        if any(os.path.lexists(folder / name) for name in (SESSION_FILE, EVENTS_FILE, AUDIO_FILE)):
            raise ConfigError(f"--record {folder}: there is a session in it already; give a new folder.")
        if any(folder.iterdir()):
            raise ConfigError(
                f"--record {folder}: this folder is not empty; give a new one, for instance a name in it."
            )
    except FileNotFoundError:
        return
    except NotADirectoryError as error:
        raise ConfigError(f"--record {folder}: this is a file, not a folder; give a new folder.") from error
    except (OSError, ValueError) as error:
        raise _cannot_begin(folder, error) from error


class Recorder:
    """One recording. `write` from one thread, `audio` from another; `close` after both. None of them raises.

    `notice`, if set, is called once with a sentence when the recording has stopped before its time, from any thread.
    `started_at`: zero of the session's clock; None = now.
    Raises `ConfigError` from the constructor where nothing can be recorded.
    """

    def __init__(
        self,
        folder: Path,
        *,
        source: str,
        rate_hz: int,
        speakers: tuple[str, ...] = (),
        live: bool,
        checkpoint: CheckpointInfo,
        config: Config,
        audio: bool,
        started_at: datetime | None = None,
        rerun_of: RerunOf | None = None,
        notice: Callable[[str], object] | None = None,
    ) -> None:
        check_new(folder)
        self.folder = folder
        self.notice = notice
        self.stopped: str | None = None
        self._live = live
        self._lock = threading.Lock()
        self._events_size = 0
        self._events = 0
        self._until_s = 0.0
        self._files: list[BinaryIO] = []
        self._track: _Track | None = None
        track = None
        if audio:
            channels = max(1, len(speakers))
            track = AudioTrack(
                file=AUDIO_FILE, rate_hz=rate_hz, channels=channels, speakers=list(speakers), start_s=0.0
            )
        info = SessionInfo(
            version=__version__,
            started_at=(started_at or datetime.now(UTC)).isoformat(timespec="milliseconds"),
            source=source,
            checkpoint=checkpoint,
            consent=config.record.consent,
            retention_days=config.record.retention_days,
            audio=track,
            rerun_of=rerun_of,
            config=msgspec.to_builtins(config),
        )
        self._made = self._closed = False
        try:
            self._made = _make_folder(folder)
            with self._create(SESSION_FILE) as file:
                file.write(msgspec.json.format(msgspec.json.encode(info)) + b"\n")
            self._journal = self._create(EVENTS_FILE)
            _hold(self._journal)
            if track is not None:
                self._track = self._begin_track(track)
        except (OSError, ValueError) as error:
            self._close_files()
            self._remove()
            raise _cannot_begin(folder, error) from error
        self._blocks: queue.Queue[Block | None] = queue.Queue(_BLOCKS_WAITING)
        self._thread: threading.Thread | None = None
        if self._track is not None:
            self._thread = threading.Thread(target=self._write_audio, name="livemerc-record", daemon=True)
            self._thread.start()

    @property
    def what(self) -> str:
        """For the user: where, and what."""
        return f"{self.folder} (events{' and audio' if self._track is not None else ', no audio'})"

    @property
    def short(self) -> str:
        """For a narrow screen."""
        return "rec + audio" if self._track is not None else "rec"

    def _begin_track(self, track: AudioTrack) -> _Track:
        try:
            return _Track(self._create(AUDIO_FILE), track)
        except ValueError as error:
            self._close_files()
            self._remove()
            raise ConfigError(f"--record-audio: {error}; leave it out, or choose another rate or device.") from error

    # -- what comes in -------------------------------------------------------------------------------------------------

    def write(self, event: Event) -> None:
        """Append one event: it is the system's when this returns, whatever becomes of the process."""
        if self.stopped is not None:
            return
        try:
            self._check_there(self._journal)
            _append(self._journal, encode(event) + b"\n", self._events_size)
        except (OSError, ValueError, msgspec.MsgspecError) as error:  # a lone surrogate is no JSON either
            self._stop(error)
            return
        self._events_size = self._journal.tell()
        self._events += 1
        if isinstance(event, UtteranceFinal):
            self._until_s = max(self._until_s, event.end_s)

    def audio(self, block: Block) -> None:
        """Takes a block; only a source that can wait is made to wait."""
        if self._thread is None or self._closed or self.stopped is not None:
            return
        try:
            self._blocks.put(block, block=not self._live)
        except queue.Full:
            self._stop(OSError("the disk has been too slow for a minute"))

    def close(self) -> None:
        """The end of the session. What was never begun leaves no folder behind."""
        self._closed = True
        if self._thread is not None:
            with contextlib.suppress(queue.Full):
                self._blocks.put(None, timeout=_CLOSE_WITHIN_S)
            self._thread.join(_CLOSE_WITHIN_S)
            if self._thread.is_alive():
                self._stop(OSError("the disk does not answer"))
        self._close_files()
        if not self._events and self._track is None and self.stopped is None:
            self._remove()

    # -- audio's own thread --------------------------------------------------------------------------------------------

    def _write_audio(self) -> None:
        assert self._track is not None
        track = self._track
        while (block := self._blocks.get()) is not None:
            if self.stopped is not None:
                continue  # taken, so that nobody waits
            try:
                self._check_there(track.file)
                track.add(block)
            except OSError as error:
                self._stop(error)
        # also after a failure elsewhere: the header says what the file holds
        try:
            if self.stopped is None:
                track.close()
            else:
                track.abandon()
        except OSError as error:
            self._stop(error)

    # -- trouble -------------------------------------------------------------------------------------------------------

    def _check_there(self, file: BinaryIO) -> None:
        """A removed file can be written to without an error: into nothing."""
        if not os.fstat(file.fileno()).st_nlink:
            raise FileNotFoundError("its files have been removed")

    def _stop(self, error: Exception) -> None:
        with self._lock:
            if self.stopped is not None:
                return
            why = getattr(error, "strerror", None) or str(error)
            if not (self.folder / EVENTS_FILE).is_file():
                kept = "nothing of it is kept"
            else:
                kept = f"kept until then: {self._events} events, speech up to {clock(self._until_s)}"
                if self._track is not None:
                    kept += f", {clock(self._track.duration_s)} of audio"
            self.stopped = (
                f"recording stopped in {self.folder} ({why}); {kept}; "
                "to record again, mend that and start with a new folder"
            )
        if self.notice is not None:
            self.notice(self.stopped)

    # -- files ---------------------------------------------------------------------------------------------------------

    def _create(self, name: str) -> BinaryIO:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        file = os.fdopen(os.open(self.folder / name, flags, _FILE_MODE), "r+b", buffering=0)
        self._files.append(file)
        _make_private(file.fileno() if os.chmod in os.supports_fd else self.folder / name, _FILE_MODE)
        return file

    def _close_files(self) -> None:
        for file in self._files:
            with contextlib.suppress(OSError):
                file.close()

    def _remove(self) -> None:
        with contextlib.suppress(OSError):
            for name in (AUDIO_FILE, EVENTS_FILE, SESSION_FILE):
                (self.folder / name).unlink(missing_ok=True)
            if self._made:
                self.folder.rmdir()


class _Track:
    """Blocks of all channels, placed in time, into one FLAC file whose first sample is second 0 of the session."""

    def __init__(self, file: BinaryIO, track: AudioTrack) -> None:
        self.file = file
        self._rate_hz = track.rate_hz
        self._flac = FlacWriter(file, track.rate_hz, track.channels)
        self._waiting: list[list[np.ndarray]] = [[] for _ in range(track.channels)]
        self._ends = [0] * track.channels  # samples placed so far
        self._late = [False] * track.channels  # was filled up because it was too far behind
        self._written = 0

    @property
    def duration_s(self) -> float:
        return self._flac.duration_s

    def add(self, block: Block) -> None:
        """Raises `OSError`."""
        channel, samples = block.channel, block.samples
        ahead = round(block.start_s * self._rate_hz) - self._ends[channel]
        if ahead > 0 and (block.gap_s > 0 or ahead > _JUMP_S * self._rate_hz or not self._ends[channel]):
            self._silence(channel, ahead)
            self._late[channel] = False
        elif ahead < 0 and self._late[channel]:
            samples = samples[-ahead:]
        elif abs(ahead) > _DRIFT_S * self._rate_hz and len(samples):  # a sample twice, or one less
            samples = np.append(samples, samples[-1:]) if ahead > 0 else samples[:-1]
        self._place(channel, samples)
        furthest = max(self._ends) - round(_CHANNELS_APART_S * self._rate_hz)
        for other, end in enumerate(self._ends):
            if end < furthest:
                self._late[other] = True
                self._silence(other, furthest - end)

    def close(self) -> None:
        furthest = max(self._ends)
        for channel, end in enumerate(self._ends):
            self._silence(channel, furthest - end)
        self._flac.close()

    def abandon(self) -> None:
        self._flac.abandon()

    def _silence(self, channel: int, samples: int) -> None:
        while samples > 0:
            piece = min(samples, round(_SILENCE_S * self._rate_hz))
            self._place(channel, np.zeros(piece, np.float32))
            samples -= piece

    def _place(self, channel: int, samples: np.ndarray) -> None:
        self._waiting[channel].append(samples)
        self._ends[channel] += len(samples)
        complete = min(self._ends)
        if complete == self._written:
            return
        take = complete - self._written
        columns = []
        for number, pieces in enumerate(self._waiting):
            joined = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
            columns.append(joined[:take])
            self._waiting[number] = [joined[take:]] if len(joined) > take else []
        self._written = complete
        self._flac.write(np.stack(columns, axis=1))


def _make_folder(folder: Path) -> bool:
    """Raises `OSError`. True: it was made here."""
    missing = [folder, *folder.parents]
    missing = missing[: next((n for n, path in enumerate(missing) if path.exists()), len(missing))]
    for path in reversed(missing):
        path.mkdir(_FOLDER_MODE)
        _make_private(path, _FOLDER_MODE)
    if not missing:
        _make_private(folder, _FOLDER_MODE)
    return bool(missing)


def _make_private(where: Path | str | int, mode: int) -> None:
    """Whatever the umask says, and nobody else may read."""
    os.chmod(where, mode)


def _hold(file: BinaryIO) -> None:
    """Readers see by this lock that the recording goes on. It falls with the process."""
    with contextlib.suppress(ImportError, OSError):  # Windows; a file system without locks
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _append(file: BinaryIO, data: bytes, size: int) -> None:
    """All of it, or the file stays as it was."""
    view, done = memoryview(data), 0
    try:
        while done < len(view):
            done += file.write(view[done:])
    except OSError:
        with contextlib.suppress(OSError):
            file.truncate(size)
            file.seek(size)
        raise


def _cannot_begin(folder: Path, error: Exception) -> ConfigError:
    why = getattr(error, "strerror", None) or str(error)
    return ConfigError(f"--record {folder}: nothing can be recorded there ({why}); give another folder.")
