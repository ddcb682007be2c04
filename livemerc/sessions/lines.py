"""What people write beside a session's events: JSON objects, one a line, appended one by one.

A damaged line costs itself and no other.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import TypeVar

import msgspec

from livemerc.errors import InputError, cause_of
from livemerc.sessions.folder import open_plain

T = TypeVar("T")


def read_lines(path: Path, kind: type[T], most_bytes: int, what: str) -> tuple[list[T], list[str]]:
    """(the objects in their order, sentences about damaged lines). Without a file there are none.

    Raises `InputError` where the file cannot be read, or is too long to be one of `what`.
    """
    if not path.exists() and not path.is_symlink():
        return [], []
    with open_plain(path) as file:
        try:
            data = file.read(most_bytes + 1)
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({cause_of(error)}); check the disk.") from error
    if len(data) > most_bytes:
        raise InputError(f"{path}: larger than {most_bytes} bytes; this is no file of {what}.")
    objects: list[T] = []
    warnings = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            objects.append(msgspec.json.decode(line, type=kind))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            warnings.append(f"{path.name}, line {number}: damaged ({error}); it was skipped.")
    return objects, warnings


def append_line(path: Path, line: bytes) -> None:
    """Append `line` to a plain file (made with 0600): it is on the disk when this returns, or the file is as it was.

    Raises `OSError`.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o600)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "no plain file")
        data = line + b"\n"
        if status.st_size and not _ends_a_line(descriptor, status.st_size):  # a crash of the machine cut the last line
            data = b"\n" + data
        try:
            done = 0
            while done < len(data):
                done += os.write(descriptor, data[done:])
            os.fsync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, status.st_size)
            raise
    finally:
        os.close(descriptor)


def _ends_a_line(descriptor: int, size: int) -> bool:
    os.lseek(descriptor, size - 1, os.SEEK_SET)
    return os.read(descriptor, 1) == b"\n"
