"""`livemerc watch`: a second screen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from livemerc.commands.checks import read_token
from livemerc.errors import EXIT_OK, ConfigError
from livemerc.runtime import process


def watch(
    session: Annotated[str, Parameter(name="DIRECTORY|URL")],
    /,
    *,
    json: bool = False,
    plain: bool = False,
    web: bool = False,
    port: int | None = None,
    host: str | None = None,
    token: Annotated[str | None, Parameter(metavar="TOKEN|@FILE")] = None,
) -> int:
    """Watch a session that is being recorded, or a room of a server, read-only, in another terminal or in a browser.

    It begins at the newest event, with the history behind it, and waits for a session that is not there yet.

    Parameters
    ----------
    session
        The session's folder (`run --record`), or a room of `livemerc serve`: http://HOST:8765/rooms/NAME.
    json
        Events as JSON Lines on standard output, from the first one on, and nothing else there.
    plain
        One line per settled label instead of the dashboard.
    web
        Serve the screen to browsers, under an address that only those know who are told it.
    port
        web: the port (default: a free one).
    host
        web: the address to listen on (default 127.0.0.1: this machine alone).
    token
        Of a server: what it wants to know; @FILE reads it from a file.
    """
    if json + plain + web > 1:
        raise ConfigError("--json, --plain and --web exclude each other; choose one.")
    for flag, given in (("--port", port), ("--host", host)):
        if given is not None and not web:
            raise ConfigError(f"{flag} goes with --web; add it, or leave {flag} out.")
    if port is not None and not 0 <= port <= 65535:
        raise ConfigError("--port is 1 to 65535, or 0 for a free one.")
    is_room = re.match(r"(https?|wss?)://", session) is not None
    if is_room and web:
        raise ConfigError("--web serves a recording; a server of rooms has a page of its own: open its address.")
    if token is not None and not is_room:
        raise ConfigError("--token goes with the address of a room; leave it out.")
    with process.StopOnSignal() as signals:
        try:
            if is_room:
                from livemerc.console.show import show_room

                return show_room(session, read_token(token), signals, json=json, plain=plain)
            directory = Path(session)
            if web:
                from livemerc.web.server import serve

                return serve(directory, signals, host="127.0.0.1" if host is None else host, port=port or 0)
            from livemerc.console.show import show_follower

            return show_follower(directory, signals, json=json, plain=plain)
        except KeyboardInterrupt:
            return EXIT_OK
