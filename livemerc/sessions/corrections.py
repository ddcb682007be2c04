"""What a person has corrected in a recorded session: `corrections.jsonl` beside the events, which stay as they were.

One JSON object a line, appended; for each field of an utterance the last word counts.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import UNSET, UnsetType

from livemerc.sessions.lines import append_line, read_lines

CORRECTIONS_FILE = "corrections.jsonl"

FIELDS = ("text", "speaker", "emotion", "nothing_to_judge")
_LONGEST_FILE_BYTES = 1 << 26


class Correction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the file. It does not touch an absent field; null takes an earlier correction of a field back.

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
        """Both as one; where both correct a field, the later one counts."""
        changes = {field: getattr(later, field) for field in FIELDS if getattr(later, field) is not UNSET}
        return msgspec.structs.replace(self, at=later.at, **changes)

    @property
    def corrects(self) -> bool:
        """Whether anything is left that differs from the record."""
        return any(getattr(self, field) not in (UNSET, None, False) for field in FIELDS)


def read_corrections(folder: Path) -> tuple[dict[str, Correction], list[str]]:
    """(corrections by utterance, sentences about damaged lines). Without a file there are none.

    Raises `InputError` where the file cannot be read.
    """
    lines, warnings = read_lines(folder / CORRECTIONS_FILE, Correction, _LONGEST_FILE_BYTES, "corrections")
    corrections: dict[str, Correction] = {}
    for correction in lines:
        before = corrections.get(correction.utterance_id)
        corrections[correction.utterance_id] = correction if before is None else before.then(correction)
    return corrections, warnings


def append_correction(folder: Path, correction: Correction) -> None:
    """Append it to the session's corrections (0600): it is on the disk when this returns, or the file is as it was.

    Raises `OSError`, also for a file of that name that is no plain file.
    """
    stamped = msgspec.structs.replace(correction, at=datetime.now(UTC).isoformat(timespec="seconds"))
    append_line(folder / CORRECTIONS_FILE, msgspec.json.encode(stamped))
