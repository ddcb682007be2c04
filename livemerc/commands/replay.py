"""`livemerc replay`: a recorded session, played."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from livemerc.commands.checks import check_output
from livemerc.errors import EXIT_OK, ConfigError
from livemerc.notation import seconds
from livemerc.runtime import process


def replay(
    directory: Path,
    /,
    *,
    speed: float = 1.0,
    begin: Annotated[str, Parameter(name="--from")] = "0",
    json: bool = False,
    plain: bool = False,
) -> int:
    """Play a recorded session: the same events in the same order, also of one that is still being recorded.

    Parameters
    ----------
    directory
        The session's folder (`run --record`), or a file of events that `run --json` printed.
    speed
        0.5 to 100 times as fast as it was (default 1), or 0 for as fast as it goes.
    begin
        Where to begin, for instance 12:30; what was before comes at once.
    json
        Events as JSON Lines on standard output, and nothing else there.
    plain
        One line per settled label instead of the dashboard.
    """
    check_output(json=json, plain=plain)
    if not (speed == 0 or 0.5 <= speed <= 100):
        raise ConfigError("--speed of a replay is 0.5 to 100, or 0 for as fast as it goes.")
    try:
        begin_s = seconds(begin)
    except ValueError as error:
        raise ConfigError(f"--from {begin}: {error}.") from error
    from livemerc.console.show import show_replay
    from livemerc.sessions.folder import session_of

    with process.StopOnSignal() as signals:
        try:
            return show_replay(session_of(directory), signals, speed=speed, begin_s=begin_s, json=json, plain=plain)
        except KeyboardInterrupt:
            return EXIT_OK
