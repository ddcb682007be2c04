"""`livemerc sessions`: what has been recorded in a folder."""

from __future__ import annotations

from pathlib import Path


def sessions(directory: Path, /) -> int:
    """List the recorded sessions in a folder: when, how long, from what, and which are damaged.

    Parameters
    ----------
    directory
        A folder of sessions' folders, or a session's own.
    """
    from livemerc.console.session_table import list_sessions
    from livemerc.sessions.folder import session_of

    return list_sessions(session_of(directory))
