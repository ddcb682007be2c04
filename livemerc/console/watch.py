"""`livemerc watch`: a second, read-only screen of a session that is being recorded, here or in a browser. No torch."""

from __future__ import annotations

import sys
from pathlib import Path

from livemerc.errors import EXIT_OK
from livemerc.runtime import process
from livemerc.sessions.follower import Follower
from livemerc.text_safety import plain_text


def watch(path: Path, signals: process.StopOnSignal, *, json: bool, plain: bool) -> int:
    """Show `path` from its newest event on. Returns the exit code. Raises `InputError`.

    On a terminal the screen, which stays after the session's end; elsewhere lines, which end with it.
    """
    follower = Follower(path)
    signals.call(follower.stop)
    if not json and not plain and process.has_screen():
        from livemerc.config import load_config
        from livemerc.dashboard import run_watch

        code = run_watch(follower, load_config().screen.theme)
    else:
        from livemerc.console.session_table import print_events

        if follower.waiting:
            print(f"livemerc: waiting for a recording to begin in {plain_text(str(path))}", file=sys.stderr)
        print_events(follower, json=json)
        code = EXIT_OK
        if follower.trouble is not None and not follower.growing:
            print(f"livemerc: warning: {follower.trouble}", file=sys.stderr)
    for warning in follower.journal.warnings:
        print(f"livemerc: warning: {plain_text(warning)}", file=sys.stderr)
    return code
