"""What a person has corrected in a recorded session: `corrections.jsonl` beside the events, which stay as they were.

One JSON object a line, appended; for each field of an utterance the last word counts.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import UNSET, UnsetType

from livemerc.errors import InputError
from livemerc.journal import open_plain

CORRECTIONS_FILE = "corrections.jsonl"

_LONGEST_FILE_BYTES = 1 << 26


class Correction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A field that is absent is not touched by this line; null takes an earlier correction of it back.

    `text` "" = nothing was said; `speaker` "" = unknown. `at`: ISO 8601, UTC.
    """

    utterance_id: str
    text: str | UnsetType | None = UNSET
    speaker: str | UnsetType | None = UNSET
    emotion: str | UnsetType | None = UNSET
    at: str = ""

    def then(self, later: Correction) -> Correction:
        """Both, the later one first."""
        changes = {
            field: getattr(later, field)
            for field in ("text", "speaker", "emotion")
            if getattr(later, field) is not UNSET
        }
        return msgspec.structs.replace(self, at=later.at, **changes)

    @property
    def corrects(self) -> bool:
        """Whether anything is left that differs from the record."""
        return any(field is not UNSET and field is not None for field in (self.text, self.speaker, self.emotion))


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
