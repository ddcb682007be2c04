"""`livemerc report`: a recorded session as one self-contained, printable HTML file. No torch, no Textual, no script."""

from __future__ import annotations

from pathlib import Path

from livemerc.errors import EXIT_OK, warn
from livemerc.export.output import check_target, write_file
from livemerc.report.card import find_card
from livemerc.report.facts import facts
from livemerc.report.page import page
from livemerc.sessions.session import RecordedSession, read_session
from livemerc.text_safety import encodable


def write_report(path: Path, output: Path, *, anonymise: bool = False) -> int:
    """Write the report of the session at `path` to `output`. Returns the exit code.

    Raises `InputError` (5) for what is no session, `ConfigError` (2) for an output that may not be written over, and
    `LivemercError` (6) where writing fails.
    """
    check_target(output, path)
    session = read_session(path)
    write_file(html(session, anonymise=anonymise).encode("utf-8"), output)
    warn(*session.warnings)
    return EXIT_OK


def html(session: RecordedSession, *, anonymise: bool = False) -> str:
    """The report of a session that was read, as one HTML document."""
    return encodable(page(facts(session, anonymise=anonymise), find_card(session)))
