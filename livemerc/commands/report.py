"""`livemerc report`: a recorded session as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def report(
    directory: Path,
    /,
    *,
    output: Annotated[Path, Parameter(name=("--output", "-o"), metavar="FILE")],
    anonymise: bool = False,
) -> int:
    """Write one self-contained, printable HTML page about a recorded session; corrections are applied.

    Parameters
    ----------
    directory
        The session's folder (`run --record`), or a file of events that `run --json` printed.
    output
        The HTML file, written whole or not at all, over an earlier one, readable by its owner alone.
    anonymise
        Replace speakers' names, and by a simple rule names and numbers in the words; check before sharing.
    """
    from livemerc.report import write_report
    from livemerc.sessions.folder import session_of

    return write_report(session_of(directory), output, anonymise=anonymise)
