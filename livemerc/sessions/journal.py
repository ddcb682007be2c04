"""A recorded session on disk: one folder with `session.json`, `events.jsonl` and, if asked for, `audio.flac`.

`events.jsonl` holds the events as `--json` prints them, one a line, appended and handed to the system one by one.
What is read here may come from anyone: a damaged line is counted, named and skipped; names that lead out of the
folder, links and devices are refused; a newer schema is an error. The writing side is `livemerc.sessions.recorder`.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

import msgspec

from livemerc.errors import InputError
from livemerc.events import (
    SCHEMA_VERSION,
    CheckpointInfo,
    EmotionEvent,
    Event,
    SessionEnd,
    SessionStart,
    Status,
    UtteranceFinal,
    UtterancePartial,
    decode,
)
from livemerc.text_safety import encodable

SESSION_FILE = "session.json"
EVENTS_FILE = "events.jsonl"
AUDIO_FILE = "audio.flac"

LONGEST_LINE_BYTES = 1 << 20
_LONGEST_SESSION_BYTES = 1 << 22
_LATEST_S = 1e8
"""Three years: a time beyond is damage, not a session."""
_MOST = 1e9
"""Counts and milliseconds beyond are damage too: a screen would print hundreds of digits."""
_WARNINGS_NAMED = 10


class AudioTrack(msgspec.Struct, frozen=True, kw_only=True):
    """The recorded audio: what the ears heard, at the source's rate; what was lost is silence, so that times agree."""

    file: str
    rate_hz: int
    channels: int
    speakers: list[str]  # of the channels; empty = unknown
    start_s: float  # session time of the first sample


class RerunOf(msgspec.Struct, frozen=True, kw_only=True):
    """What a session was made from by `livemerc rerun`: another session's audio, or its words alone."""

    session: str  # the folder's name
    started_at: str
    checkpoint: CheckpointInfo | None  # that had judged it; None = unknown
    what: Literal["audio", "text"]
    corrected: bool  # whether a person's corrections of words and speakers were taken
    at: str  # ISO 8601, UTC: when it was run again


class SessionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """`session.json`: written once, at the beginning."""

    schema: int = SCHEMA_VERSION
    version: str
    started_at: str  # ISO 8601, UTC: zero of the clock
    clock: str = "times are seconds of source audio since started_at"
    source: str
    checkpoint: CheckpointInfo
    consent: str
    retention_days: int | None = None
    audio: AudioTrack | None = None
    rerun_of: RerunOf | None = None
    config: dict[str, Any]


class _Schema(msgspec.Struct, frozen=True):
    schema: int = 0
    type: str = ""


@dataclass(slots=True)
class Journal:
    """What `read` found. `warnings` are sentences for the user; `ended`: the session came to its `session.end`."""

    path: Path
    info: SessionInfo | None
    events: list[Event]
    warnings: list[str] = field(default_factory=list)
    damaged: int = 0
    ended: bool = False


def read(path: str | Path) -> Journal:
    """A session's folder, or an events file alone (for instance what `run --json` printed), as far as it is sound.

    Raises `InputError` (exit 5) if there is none, if it may not be read, or if a newer livemerc wrote it.
    """
    reader = JournalReader(path)
    try:
        reader.read_new()
        reader.finish()
    finally:
        reader.close()
    return reader.journal


class JournalReader:
    """Reads a journal that may still be growing: `read_new` gives what was appended, `journal` what there is so far."""

    def __init__(self, path: str | Path) -> None:
        path = Path(path)
        info, warnings = None, []
        if os.path.isdir(path):
            self._name = f"{_name(path)}/{EVENTS_FILE}"
            self._file = open_plain(path / EVENTS_FILE)
            try:
                info = read_info(path)
            except InputError as error:
                if isinstance(error, NewerSchemaError):
                    self._file.close()
                    raise
                warnings.append(str(error))
        else:
            self._name = path.name
            self._file = open_plain(path, follow=True)
        self.journal = Journal(path, info, [], warnings)
        self._line_number = 0
        self._tail = b""
        self._skipping = False  # inside a line that is too long

    def read_new(self) -> list[Event]:
        """Events of the lines that were completed since. Raises `InputError` for a newer schema or a read error."""
        found = []
        for line in self._lines():
            self._line_number += 1
            event = self._event(line)
            if event is not None:
                found.append(event)
                self.journal.ended = self.journal.ended or isinstance(event, SessionEnd)
        self.journal.events += found
        return found

    def finish(self) -> None:
        """Nothing will be appended any more: what is wrong with the journal as a whole goes to its warnings.

        Raises `InputError` for a file alone that holds something, and no event.
        """
        journal, name = self.journal, self._name
        if self._tail or self._skipping:
            self._line_number += 1
            event = None if self._skipping else _decoded(self._tail)  # only the line end may be missing
            if isinstance(event, str) or event is None:
                journal.warnings.append(
                    f"{name}: the last line ({self._line_number}) is incomplete, as after a crash; it was left out."
                )
            else:
                journal.events.append(event)
                journal.ended = journal.ended or isinstance(event, SessionEnd)
            self._tail, self._skipping = b"", False
        if journal.damaged > _WARNINGS_NAMED:
            more = journal.damaged - _WARNINGS_NAMED
            journal.warnings.append(f"{name}: {more} more damaged line{'s were' if more > 1 else ' was'} skipped.")
        if journal.warnings and not journal.events and not os.path.isdir(journal.path):
            raise InputError(
                f"{name}: holds no events; give a session's folder, or a file of what `livemerc run --json` printed."
            )
        if journal.events and not any(isinstance(event, SessionStart) for event in journal.events):
            journal.warnings.append(f"{name}: its session.start is missing: model and source are unknown.")

    def close(self) -> None:
        self._file.close()

    def _lines(self) -> Iterator[bytes]:
        """Whole lines without their end; an incomplete one waits for its rest."""
        while True:
            try:
                piece = self._file.readline(LONGEST_LINE_BYTES)
            except OSError as error:
                raise InputError(f"{self._name}: cannot be read further ({error.strerror}); check the disk.") from error
            if not piece:
                return
            whole = piece.endswith(b"\n")
            if self._skipping:
                self._skipping = not whole
                continue
            line = self._tail + piece
            if whole:
                self._tail = b""
                yield line.rstrip(b"\r\n")
            elif len(line) >= LONGEST_LINE_BYTES:
                self._tail, self._skipping = b"", True
                self._line_number += 1
                self._damage(f"it is longer than {LONGEST_LINE_BYTES} bytes")
            else:
                self._tail = line

    def _event(self, line: bytes) -> Event | None:
        if not line.strip():
            return None
        event = _decoded(line)
        if isinstance(event, SessionStart) and event.schema > SCHEMA_VERSION:
            raise _newer(self._name, event.schema)
        if not isinstance(event, str):
            return event
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            head = msgspec.json.decode(line, type=_Schema)
            if head.type == "session.start" and head.schema > SCHEMA_VERSION:
                raise _newer(self._name, head.schema)
        self._damage(event)
        return None

    def _damage(self, why: str) -> None:
        self.journal.damaged += 1
        if self.journal.damaged <= _WARNINGS_NAMED:
            self.journal.warnings.append(f"{self._name}, line {self._line_number}: damaged ({why}); it was skipped.")


class NewerSchemaError(InputError):
    """The session was recorded by a livemerc whose format this one does not know."""


def _newer(name: str, schema: int) -> NewerSchemaError:
    return NewerSchemaError(
        f"{name}: recorded by a newer livemerc (schema {schema}; this reads up to {SCHEMA_VERSION}); update livemerc."
    )


def _decoded(line: bytes) -> Event | str:
    """The event, or what is wrong with the line."""
    try:
        event = decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return str(error)
    except RecursionError:
        return "nested too deeply"
    return _implausible(event) or event


def _implausible(event: Event) -> str | None:
    """What no session can hold and what reckons with it would trip over: times before its begin, probabilities of 7."""
    times: list[float] = []
    counts: list[float | None] = []
    shares: list[float | None] = []
    if isinstance(event, UtterancePartial):
        times = [event.start_s]
    elif isinstance(event, UtteranceFinal):
        times, shares = [event.start_s, event.end_s], [event.asr.confidence]
    elif isinstance(event, EmotionEvent):
        if not event.probabilities:
            return "an emotion without probabilities"
        spreads = (event.probabilities, event.modality.text or {}, event.modality.speech or {})
        shares = [event.confidence, *(p for spread in spreads for p in spread.values())]
        counts = [event.revision, *(msgspec.structs.astuple(event.timing) if event.timing else ())]
    elif isinstance(event, Status):
        times = [event.t_s, event.dropped_s]
        counts = [event.lag_s, event.overruns, event.level_dbfs, *event.queued.values()]
    elif isinstance(event, SessionEnd):
        times, counts = [event.duration_s, event.dropped_s], [event.utterances, event.overruns]
    if not all(0 <= t <= _LATEST_S for t in times):
        return "a time that no session has"
    if not all(p is None or -1e-6 <= p <= 1 + 1e-6 for p in shares):
        return "a probability outside 0 to 1"
    if not all(n is None or -_MOST <= n <= _MOST for n in counts):
        return "a figure that no session has"
    return None


def read_info(folder: Path) -> SessionInfo:
    """`session.json` of a session's folder. Raises `InputError` where it is missing, damaged or newer."""
    name = f"{_name(folder)}/{SESSION_FILE}"
    with open_plain(folder / SESSION_FILE) as file:
        data = file.read(_LONGEST_SESSION_BYTES)
    try:
        head = msgspec.json.decode(data, type=_Schema)
        if head.schema > SCHEMA_VERSION:
            raise _newer(name, head.schema)
        return msgspec.json.decode(data, type=SessionInfo)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{name}: damaged ({error}); the events beside it may be sound.") from error


def audio_path(folder: Path, info: SessionInfo) -> Path | None:
    """The recorded audio; None if there is none. Raises `InputError` for a name that leads elsewhere or a link."""
    if info.audio is None:
        return None
    name = info.audio.file
    plain = name not in ("", ".", "..") and not set(name) & set('/\\:\0"*?<>|') and name.isprintable()
    if not plain:
        raise InputError(
            f"{_name(folder)}/{SESSION_FILE}: its audio {encodable(name)[:100]!r} is not a plain file name; refused."
        )
    open_plain(folder / name).close()
    return folder / name


def session_of(path: Path) -> Path:
    """The folder of a session whose events were named: its settings, audio and corrections lie beside them."""
    return path.parent if path.name == EVENTS_FILE and (path.parent / SESSION_FILE).is_file() else path


def open_plain(path: Path, *, follow: bool = False) -> BinaryIO:
    """A regular file for reading: no link (unless `follow`), no pipe, no device. Raises `InputError`."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if not follow:
        flags |= getattr(os, "O_NOFOLLOW", 0)
    shown = encodable(str(path))
    if not follow and os.path.islink(path):
        raise InputError(
            f"{shown}: a link, and files of a session are plain files; refused: put the file itself there."
        )
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError as error:
        if not follow and path.name != EVENTS_FILE and path.parent.is_dir():
            raise InputError(f"{shown}: missing from the session's folder; put it back if you have it.") from error
        what = "this folder holds no session" if path.name == EVENTS_FILE else "there is no such file or folder"
        raise InputError(f"{shown}: {what}; check the path (`livemerc sessions DIR` lists sessions).") from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{shown}: cannot be read ({why}); check the path and its permissions.") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InputError(f"{shown}: no plain file, and a session holds nothing else; refused: take it away.")
    return os.fdopen(descriptor, "rb")


def _name(folder: Path) -> str:
    """`.` has none of its own."""
    return folder.name or folder.resolve().name


def being_recorded(folder: Path) -> bool:
    """Whether a process holds the session open for writing: the recorder keeps its journal locked while it lives.

    Where the system has no such locks (Windows): whether the journal was written to within the last minute.
    """
    try:
        file = open_plain(folder / EVENTS_FILE)
    except InputError:
        return False
    with file:
        try:
            import fcntl
        except ImportError:
            import time

            return time.time() - os.fstat(file.fileno()).st_mtime < 60
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # a file system without locks
            return False
        return False
