"""Where an export goes: standard output, or a file that appears whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import tempfile
from pathlib import Path

from livemerc.errors import ConfigError, LivemercError, cause_of
from livemerc.runtime import process
from livemerc.sessions.bookmarks import BOOKMARKS_FILE
from livemerc.sessions.corrections import CORRECTIONS_FILE
from livemerc.sessions.folder import AUDIO_FILE, EVENTS_FILE, SESSION_FILE, holds_session
from livemerc.text_safety import plain_text

_OWN_FILES = {EVENTS_FILE, SESSION_FILE, CORRECTIONS_FILE, BOOKMARKS_FILE, AUDIO_FILE}


def check_target(target: Path, session: Path) -> None:
    """Raises `ConfigError` for a target that must not be written to. Called before any work.

    A file that exists may be replaced, as `-o` does elsewhere; a recorded session's own files may not, nor the events
    file that is read.
    """
    real = Path(os.path.realpath(target))
    try:
        if real.is_dir():
            raise ConfigError(f"-o {target}: a folder; name a file in it.")
        if not target.exists() and not real.parent.is_dir():
            raise ConfigError(f"-o {target}: there is no folder {real.parent}; create it, or choose another place.")
        if (holds_session(real.parent) and real.name.casefold() in _OWN_FILES) or _same(real, session):
            raise ConfigError(f"-o {target}: belongs to a recorded session; choose another name.")
    except (OSError, ValueError) as error:
        raise cannot_write(target, error) from error


def write_file(data: bytes, target: Path) -> None:
    """Write `target` whole or not at all, readable by its owner alone, because a session is private.

    An existing file keeps its permissions. A pipe or a device is simply written to. Raises `ConfigError` (2) for a
    place that cannot be written to, and `LivemercError` (6) for a disk that is full or fails; what was there before is
    still there.
    """
    real = Path(os.path.realpath(target))
    try:
        mode = target.stat().st_mode if target.exists() else None
        if mode is not None and not stat.S_ISREG(mode):
            with target.open("wb", buffering=0) as file:  # not `real`: what /dev/stdout leads to may have no name
                _write_all(file.fileno(), data)
            return
        _replace(data, real, mode)
    except (OSError, ValueError) as error:
        raise cannot_write(target, error) from error


def refuse_terminal() -> None:
    """Raises `ConfigError` where standard output is a terminal: it would interpret a binary format's bytes."""
    if sys.stdout.isatty():
        raise ConfigError("this format is binary and standard output is a terminal; name a file with -o.")


def write_stdout(data: bytes) -> None:
    """Write exactly `data`; on a terminal, without what would steer it. A reader that leaves early is no failure.

    Raises `LivemercError` (6) where standard output cannot be written to.
    """
    if sys.stdout.isatty():
        data = "\n".join(plain_text(line) for line in data.decode().split("\n")).encode()
    stdout = process.claim_stdout()
    try:
        stdout.write(data)
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EIO):
            raise LivemercError(
                f"standard output cannot be written to ({cause_of(error)}); check where it goes."
            ) from error
        process.silence_output()


def _same(one: Path, other: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return os.path.samefile(one, other)
    return False


def _replace(data: bytes, real: Path, mode: int | None) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{real.name[:40]}.", suffix=".part", dir=real.parent)
    try:
        try:
            _write_all(descriptor, data)
            if mode is not None and hasattr(os, "fchmod"):
                os.fchmod(descriptor, stat.S_IMODE(mode))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(name, real)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def cannot_write(target: Path, error: OSError | ValueError) -> LivemercError:
    """The error for a target that cannot be written to: exit 2 where its place is wrong, 6 where the disk fails."""
    said = (
        f"-o {target}: cannot be written ({cause_of(error)}); nothing was changed: check the disk, or choose another "
        "place."
    )
    place = isinstance(error, ValueError) or error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG)
    return ConfigError(said) if place else LivemercError(said)


def put(data: bytes, target: Path | None) -> None:
    """Write `data` to `target`, or to standard output where it is None. Raises `LivemercError`s."""
    if target is None:
        write_stdout(data)
    else:
        write_file(data, target)
