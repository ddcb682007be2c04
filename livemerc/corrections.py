"""What a person has corrected in a recorded session: `corrections.jsonl` beside the events, which stay as they were.

One JSON object a line, appended; for each field of an utterance the last word counts.
"""

from __future__ import annotations

import contextlib
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import UNSET, UnsetType

from livemerc.errors import InputError
from livemerc.journal import open_plain

CORRECTIONS_FILE = "corrections.jsonl"

FIELDS = ("text", "speaker", "emotion", "nothing_to_judge")
_LONGEST_FILE_BYTES = 1 << 26


class Correction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A field that is absent is not touched by this line; null takes an earlier correction of it back.

    `text` "" = nothing was said; `speaker` "" = unknown; `nothing_to_judge`: a person found no emotion to name in it
    (a cough, words that cannot be heard). `at`: ISO 8601, UTC.
    """

    utterance_id: str
    text: str | UnsetType | None = UNSET
    speaker: str | UnsetType | None = UNSET
    emotion: str | UnsetType | None = UNSET
    nothing_to_judge: bool | UnsetType | None = UNSET
    at: str = ""

    def then(self, later: Correction) -> Correction:
        """Both, the later one first."""
        changes = {field: getattr(later, field) for field in FIELDS if getattr(later, field) is not UNSET}
        return msgspec.structs.replace(self, at=later.at, **changes)

    @property
    def corrects(self) -> bool:
        """Whether anything is left that differs from the record."""
        return any(getattr(self, field) not in (UNSET, None, False) for field in FIELDS)


def read_corrections(folder: Path) -> tuple[dict[str, Correction], list[str]]:
    """By utterance, and sentences about damaged lines. None: no corrections. Raises `InputError` if unreadable."""
    path = folder / CORRECTIONS_FILE
    if not path.exists() and not path.is_symlink():
        return {}, []
    with open_plain(path) as file:
        try:
            data = file.read(_LONGEST_FILE_BYTES + 1)
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}); check the disk.") from error
    if len(data) > _LONGEST_FILE_BYTES:
        raise InputError(f"{path}: larger than {_LONGEST_FILE_BYTES} bytes; this is no file of corrections.")
    corrections: dict[str, Correction] = {}
    warnings = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            correction = msgspec.json.decode(line, type=Correction)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            warnings.append(f"{CORRECTIONS_FILE}, line {number}: damaged ({error}); it was skipped.")
            continue
        before = corrections.get(correction.utterance_id)
        corrections[correction.utterance_id] = correction if before is None else before.then(correction)
    return corrections, warnings


def append_correction(folder: Path, correction: Correction) -> None:
    """Keep it in the session's folder (0600): it is on the disk when this returns, or the file is as it was.

    Raises `OSError`, also for a file of that name that is no plain file.
    """
    stamped = msgspec.structs.replace(correction, at=datetime.now(UTC).isoformat(timespec="seconds"))
    append_line(folder / CORRECTIONS_FILE, msgspec.json.encode(stamped))


def append_line(path: Path, line: bytes) -> None:
    """A line of its own at the end of a plain file (made with 0600), on the disk when this returns, or the file is as
    it was. Raises `OSError`."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o600)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "no plain file")
        data = line + b"\n"
        if status.st_size and not _ends_a_line(descriptor, status.st_size):  # after a crash of the machine
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
