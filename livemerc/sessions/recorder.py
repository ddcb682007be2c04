"""Writes a session's folder (`livemerc.sessions.folder`) while the session runs, and never stands in its way.

Events are appended in the caller's thread, each with one write; audio goes through a queue to a thread of its own.
Whatever happens to the disk stops the recording, with a sentence that says what was kept; never the session.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from livemerc import __version__
from livemerc.audio.source import Block
from livemerc.config import Config
from livemerc.errors import ConfigError, cause_of
from livemerc.events import CheckpointInfo, Event, UtteranceFinal, encode
from livemerc.notation import clock
from livemerc.sessions.audio_track import TrackWriter
from livemerc.sessions.folder import (
    AUDIO_FILE,
    EVENTS_FILE,
    SESSION_FILE,
    AudioTrack,
    RerunOf,
    SessionInfo,
    append_plain,
    cannot_record,
    check_new,
    create_plain,
    lock_journal,
    make_folder,
)

_BLOCKS_WAITING = 3000
"""A minute of blocks of 20 ms: a disk that takes none for longer is no place for audio."""
_CLOSE_WITHIN_S = 1.5
"""A dead network share must not hold up the end of the session."""


class Recorder:
    """One recording. `write` is for one thread and `audio` for another; `close` comes after both. None of them raises.

    notice: called once, from any thread, with a sentence, when the recording has stopped before its time. started_at:
    zero of the session's clock; None = now. The constructor raises `ConfigError` where nothing can be recorded.
    """

    _track: TrackWriter | None

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
        notice_shown_at: Sequence[str] = (),
        notice: Callable[[str], object] | None = None,
    ) -> None:
        check_new(folder)
        track = None
        if audio:
            channels = max(1, len(speakers))
            track = AudioTrack(
                file=AUDIO_FILE, rate_hz=rate_hz, channels=channels, speakers=list(speakers), start_s=0.0
            )
        self._info = SessionInfo(
            version=__version__,
            started_at=(started_at or datetime.now(UTC)).isoformat(timespec="milliseconds"),
            source=source,
            checkpoint=checkpoint,
            consent=config.record.consent,
            retention_days=config.record.retention_days,
            audio=track,
            rerun_of=rerun_of,
            notice_shown_at=list(notice_shown_at),
            config=msgspec.to_builtins(config),
        )
        self._begin(folder, live, notice)
        try:
            self._made = make_folder(folder)
            with self._create(SESSION_FILE) as file:
                file.write(_readable(self._info))
            self._journal = self._create(EVENTS_FILE)
            lock_journal(self._journal)
            if track is not None:
                self._track = self._begin_track(track)
        except (OSError, ValueError) as error:
            self._close_files()
            self._remove()
            raise cannot_record(folder, error) from error
        self._begin_thread()

    @classmethod
    def append(
        cls, folder: Path, info: SessionInfo, *, live: bool, notice: Callable[[str], object] | None = None
    ) -> Recorder:
        """Goes on with a recording that broke off: events are appended, a line that was cut in half is taken away, and
        the audio is written anew from its beginning. Raises `ConfigError` where that is not possible."""
        recorder = cls.__new__(cls)
        recorder._begin(folder, live, notice)
        recorder._info = info
        recorder._appends = True
        try:
            recorder._journal = append_plain(folder / EVENTS_FILE)
            recorder._files.append(recorder._journal)
            lock_journal(recorder._journal)
            recorder._events_size = recorder._journal.tell()
            if info.audio is not None:
                (folder / AUDIO_FILE).unlink(missing_ok=True)
                recorder._track = recorder._begin_track(info.audio)
        except (OSError, ValueError) as error:
            recorder._close_files()
            raise cannot_record(folder, error) from error
        recorder._begin_thread()
        return recorder

    def _begin(self, folder: Path, live: bool, notice: Callable[[str], object] | None) -> None:
        self.folder = folder
        self.notice = notice
        self.stopped: str | None = None
        self._live = live
        self._lock = threading.Lock()
        self._events_size = 0
        self._events = 0
        self._until_s = 0.0
        self._files: list[BinaryIO] = []
        self._track = None
        self._made = self._closed = self._appends = False

    def _begin_thread(self) -> None:
        self._blocks: queue.Queue[Block | None] = queue.Queue(_BLOCKS_WAITING)
        self._thread: threading.Thread | None = None
        if self._track is not None:
            self._thread = threading.Thread(target=self._write_audio, name="livemerc-record", daemon=True)
            self._thread.start()

    @property
    def what(self) -> str:
        """For the user: the folder, and what is written to it."""
        return f"{self.folder} (events{' and audio' if self._track is not None else ', no audio'})"

    @property
    def short(self) -> str:
        """`what` for a narrow screen."""
        return "rec + audio" if self._track is not None else "rec"

    def _begin_track(self, track: AudioTrack) -> TrackWriter:
        try:
            return TrackWriter(self._create(AUDIO_FILE), track)
        except ValueError as error:
            self._close_files()
            self._remove()
            raise ConfigError(f"--record-audio: {error}; leave it out, or choose another rate or device.") from error

    # -- what comes in -------------------------------------------------------------------------------------------------

    def write(self, event: Event) -> None:
        """Append one event: the system has it when this returns, whatever becomes of the process."""
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
        """Take a block. Only a source that can wait is made to wait."""
        if self._thread is None or self._closed or self.stopped is not None:
            return
        try:
            self._blocks.put(block, block=not self._live)
        except queue.Full:
            self._stop(OSError("the disk has been too slow for a minute"))

    def notice_shown(self, at: Sequence[str]) -> None:
        """Keep in `session.json` when the notice was shown (ISO 8601, UTC), all times of the session. Raises `OSError`;
        then the file is as it was."""
        info = msgspec.structs.replace(self._info, notice_shown_at=list(at))
        new = self.folder / f".{SESSION_FILE}"
        new.unlink(missing_ok=True)
        try:
            with create_plain(new) as file:
                file.write(_readable(info))
            os.replace(new, self.folder / SESSION_FILE)
        except OSError:
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
            raise
        self._info = info

    def close(self) -> None:
        """End the recording. One that was never begun leaves no folder behind."""
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
        # also after a failure elsewhere, for the header says what the file holds
        try:
            if self.stopped is None:
                track.close()
            else:
                track.abandon()
        except OSError as error:
            self._stop(error)

    # -- trouble -------------------------------------------------------------------------------------------------------

    def _check_there(self, file: BinaryIO) -> None:
        """Raises `FileNotFoundError` for a removed file, which could be written to without an error, into nothing."""
        if not os.fstat(file.fileno()).st_nlink:
            raise FileNotFoundError("its files have been removed")

    def _stop(self, error: Exception) -> None:
        with self._lock:
            if self.stopped is not None:
                return
            if not (self.folder / EVENTS_FILE).is_file():
                kept = "nothing of it is kept"
            else:
                kept = f"kept until then: {self._events} events, speech up to {clock(self._until_s)}"
                if self._track is not None:
                    kept += f", {clock(self._track.duration_s)} of audio"
            self.stopped = (
                f"recording stopped in {self.folder} ({cause_of(error)}); {kept}; "
                "to record again, mend that and start with a new folder"
            )
        if self.notice is not None:
            self.notice(self.stopped)

    # -- files ---------------------------------------------------------------------------------------------------------

    def _create(self, name: str) -> BinaryIO:
        file = create_plain(self.folder / name)
        self._files.append(file)
        return file

    def _close_files(self) -> None:
        for file in self._files:
            with contextlib.suppress(OSError):
                file.close()

    def _remove(self) -> None:
        if self._appends:
            return  # it was there before
        with contextlib.suppress(OSError):
            for name in (AUDIO_FILE, EVENTS_FILE, SESSION_FILE):
                (self.folder / name).unlink(missing_ok=True)
            if self._made:
                self.folder.rmdir()


def _readable(info: SessionInfo) -> bytes:
    return msgspec.json.format(msgspec.json.encode(info)) + b"\n"


def _append(file: BinaryIO, data: bytes, size: int) -> None:
    """Append all of `data`, or leave the file of `size` bytes as it was. Raises `OSError`."""
    view, done = memoryview(data), 0
    try:
        while done < len(view):
            done += file.write(view[done:])
    except OSError:
        with contextlib.suppress(OSError):
            file.truncate(size)
            file.seek(size)
        raise
