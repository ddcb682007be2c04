"""`livemerc sessions`: the recorded sessions in a folder, as a table."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from rich.cells import cell_len, set_cell_size

from livemerc.errors import EXIT_INPUT, EXIT_OK, InputError, warn
from livemerc.notation import clock
from livemerc.sessions.listing import summaries
from livemerc.text_safety import sure_width


def list_sessions(folder: Path) -> int:
    """Print the sessions in `folder`, and warnings about them. Returns the exit code: 5 where all are broken.

    Raises `InputError` where there is none.
    """
    found = list(summaries(folder))
    if not found:
        raise InputError(f"{folder}: no sessions in this folder; `livemerc run --record {folder}/NAME` records one.")
    rows = [("session", "started", "length", "utterances", "audio", "state", "source")]
    rows += [
        (
            sure_width(s.name), _local(s.started_at), clock(s.duration_s), str(s.utterances), s.audio, s.state,
            sure_width(s.source),
        )
        for s in found
    ]  # fmt: skip
    widths = [max(cell_len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(set_cell_size(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for s in found:
        if s.broken is not None:
            which = "" if s.name in s.broken else f"{s.name}: "
            warn(which + s.broken)
    return EXIT_INPUT if all(s.state == "broken" for s in found) else EXIT_OK


def _local(started_at: str) -> str:
    """In this machine's time, to the minute; as it stands where it is no time."""
    try:
        return datetime.fromisoformat(started_at).astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return sure_width(started_at)[:16] or "-"
