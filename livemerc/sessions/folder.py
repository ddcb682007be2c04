"""A session's folder: which files it holds, what `session.json` says, who is writing it, and how its files are opened.

It holds `session.json`, `events.jsonl` and, if asked for, `audio.flac`; people's own files lie beside them
(`corrections`, `bookmarks`). A folder may come from anyone: names that lead out of it, links and devices are refused,
and so is what a newer livemerc wrote. What is written here is its owner's alone.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from pathlib import Path
from typing import Any, BinaryIO, Literal

import msgspec

from livemerc.errors import ConfigError, InputError, cause_of
from livemerc.events import SCHEMA_VERSION, CheckpointInfo
from livemerc.text_safety import encodable

SESSION_FILE = "session.json"
EVENTS_FILE = "events.jsonl"
AUDIO_FILE = "audio.flac"

_FOLDER_MODE = 0o700
_FILE_MODE = 0o600
_LONGEST_SESSION_BYTES = 1 << 22
_QUIET_AFTER_S = 60.0
_TAIL_BYTES = 1 << 16


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
    """`session.json`: written at the beginning, and anew where the notice is shown."""

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
    notice_shown_at: list[str] = []  # ISO 8601, UTC: when people were shown what happens to their voices
    config: dict[str, Any]


class SchemaHead(msgspec.Struct, frozen=True):
    """What `session.json` and a `session.start` of any livemerc have: enough to tell that a newer one wrote it."""

    schema: int = 0
    type: str = ""


class NewerSchemaError(InputError):
    """The session was recorded by a livemerc whose format this one does not know."""


def check_schema(schema: int, name: str) -> None:
    """Raises `NewerSchemaError` for a schema that this livemerc does not know. `name`: the file, for the sentence."""
    if schema > SCHEMA_VERSION:
        raise NewerSchemaError(
            f"{name}: recorded by a newer livemerc (schema {schema}; this reads up to {SCHEMA_VERSION}); "
            "update livemerc."
        )


# -- which folder ------------------------------------------------------------------------------------------------------


def holds_session(folder: Path) -> bool:
    """Whether a file of a session's own is in it, sound or not."""
    return any((folder / name).exists() for name in (EVENTS_FILE, SESSION_FILE))


def session_of(path: Path) -> Path:
    """The folder where `path` is the events file in a session's folder, else `path` as it is.

    Settings, audio and corrections lie beside the events.
    """
    return path.parent if path.name == EVENTS_FILE and (path.parent / SESSION_FILE).is_file() else path


def folder_name(folder: Path) -> str:
    """The folder's own name, also where it is given as `.`."""
    return folder.name or folder.resolve().name


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
        raise cannot_record(folder, error) from error


def cannot_record(folder: Path, error: Exception) -> ConfigError:
    """The error that says so."""
    return ConfigError(f"--record {folder}: nothing can be recorded there ({cause_of(error)}); give another folder.")


# -- reading -----------------------------------------------------------------------------------------------------------


def read_info(folder: Path) -> SessionInfo:
    """`session.json` of a session's folder. Raises `InputError` where it is missing, damaged or newer."""
    name = f"{folder_name(folder)}/{SESSION_FILE}"
    with open_plain(folder / SESSION_FILE) as file:
        data = file.read(_LONGEST_SESSION_BYTES)
    try:
        check_schema(msgspec.json.decode(data, type=SchemaHead).schema, name)
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
            f"{folder_name(folder)}/{SESSION_FILE}: its audio {encodable(name)[:100]!r} is not a plain file name; "
            "refused."
        )
    open_plain(folder / name).close()
    return folder / name


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
        raise InputError(f"{shown}: cannot be read ({cause_of(error)}); check the path and its permissions.") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InputError(f"{shown}: no plain file, and a session holds nothing else; refused: take it away.")
    return os.fdopen(descriptor, "rb")


# -- writing -----------------------------------------------------------------------------------------------------------


def make_folder(folder: Path) -> bool:
    """Make it and what is missing above it, for its owner alone whatever the umask says; one that is there becomes so.

    True: it was made here. Raises `OSError`.
    """
    missing = [folder, *folder.parents]
    missing = missing[: next((n for n, path in enumerate(missing) if path.exists()), len(missing))]
    for path in reversed(missing):
        path.mkdir(_FOLDER_MODE)
        path.chmod(_FOLDER_MODE)
    if not missing:
        folder.chmod(_FOLDER_MODE)
    return bool(missing)


def create_plain(path: Path) -> BinaryIO:
    """A new, unbuffered file that its owner alone may read, whatever the umask says. Raises `OSError`."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    file = os.fdopen(os.open(path, flags, _FILE_MODE), "r+b", buffering=0)
    try:
        os.chmod(file.fileno() if os.chmod in os.supports_fd else path, _FILE_MODE)
    except OSError:
        file.close()
        raise
    return file


def append_plain(path: Path) -> BinaryIO:
    """A file of lines that is there, unbuffered, to be written on behind its last whole line. Raises `OSError`."""
    flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    file = os.fdopen(os.open(path, flags), "r+b", buffering=0)
    try:
        size = end = file.seek(0, os.SEEK_END)
        while end:
            begin = max(0, end - _TAIL_BYTES)
            file.seek(begin)
            at = file.read(end - begin).rfind(b"\n")
            if at >= 0:
                end = begin + at + 1
                break
            end = begin
        if end < size:
            file.truncate(end)
        file.seek(end)
    except OSError:
        file.close()
        raise
    return file


# -- the lock ----------------------------------------------------------------------------------------------------------


def lock_journal(journal: BinaryIO) -> None:
    """Lock the journal that is being written: `being_recorded` sees it until its process ends, however that ends."""
    with contextlib.suppress(ImportError, OSError):  # Windows; a file system without locks
        import fcntl

        fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)


def being_recorded(folder: Path) -> bool:
    """Whether a process holds the session open for writing (`lock_journal`).

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
            return time.time() - os.fstat(file.fileno()).st_mtime < _QUIET_AFTER_S
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # a file system without locks
            return False
        return False
