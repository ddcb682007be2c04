"""jsonl: the events as they were recorded, sound lines in their order. `livemerc replay FILE` plays it."""

from __future__ import annotations

from pathlib import Path

from livemerc.events import encode
from livemerc.sessions.corrections import CORRECTIONS_FILE, read_corrections
from livemerc.sessions.folder import being_recorded
from livemerc.sessions.journal import read


def jsonl(path: Path) -> tuple[bytes, list[str]]:
    """The file, and sentences for the user. Corrections are never mixed in: what was judged, and when, stays."""
    growing = path.is_dir() and being_recorded(path)
    journal = read(path)
    warnings = list(journal.warnings)
    name = path.resolve().name
    if growing:
        warnings.append(f"{name}: still being recorded; exported as far as it had come.")
    elif not journal.ended:
        warnings.append(f"{name}: cut short (it has no session.end); exported as far as it goes.")
    if path.is_dir():
        corrections, damaged = read_corrections(path)
        warnings += damaged
        if corrected := sum(correction.corrects for correction in corrections.values()):
            warnings.append(
                f"{name}: {corrected} corrected utterance(s) are in jsonl as they were recorded;"
                f" csv and parquet show both, and {CORRECTIONS_FILE} holds the corrections."
            )
    return b"".join(encode(event) + b"\n" for event in journal.events), warnings
