"""csv: RFC 4180 (commas, CRLF, quotes doubled), UTF-8 without a byte order mark, one header row.

A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula (OWASP, CSV injection). A string that
does is written with an apostrophe before it; so is one that begins with an apostrophe, so that taking one away gives
back exactly what was said (`unguarded`). Null is an empty cell. NUL, which few readers survive, is written as U+2400.
"""

from __future__ import annotations

import csv as csv_module
import io

from livemerc.export.table import Cell, columns, warn_of_unknown_labels
from livemerc.sessions.session import RecordedSession

_GUARDED = tuple("=+-@\t\r\n'＝＋－＠")


def csv(session: RecordedSession) -> bytes:
    warn_of_unknown_labels(session)
    found = columns(session)
    file = io.StringIO(newline="")
    writer = csv_module.writer(file, lineterminator="\r\n")
    writer.writerow([guarded(column.name) for column in found])
    writer.writerows([_cell(column.value(utterance)) for column in found] for utterance in session.utterances)
    return file.getvalue().encode()


def guarded(text: str) -> str:
    text = text.replace("\0", "␀")
    return "'" + text if text.startswith(_GUARDED) else text


def unguarded(cell: str) -> str:
    """The inverse of `guarded`."""
    return cell[1:] if cell.startswith("'") else cell


def _cell(value: Cell) -> str | float | int:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return guarded(value) if isinstance(value, str) else value
