"""`livemerc compare`: two sessions of the same speech beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def compare(
    first: Annotated[Path, Parameter(name="A")],
    second: Annotated[Path, Parameter(name="B")],
    /,
    *,
    everything: Annotated[bool, Parameter(name="--all")] = False,
    json: bool = False,
) -> int:
    """Show where two sessions of the same speech differ: labels, doubts, words; agreement, kappa, confusion.

    Parameters
    ----------
    first
        A session's folder, or a file of events.
    second
        Another of the same speech, for instance from `livemerc rerun`.
    everything
        Show the utterances that agree, too.
    json
        The comparison as one JSON object.
    """
    from livemerc.console.comparison_table import print_comparison
    from livemerc.sessions.folder import session_of

    return print_comparison(session_of(first), session_of(second), json=json, everything=everything)
