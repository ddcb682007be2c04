"""`livemerc watch`: a second screen."""

from __future__ import annotations

from pathlib import Path

from livemerc.errors import EXIT_OK, ConfigError
from livemerc.runtime import process


def watch(
    directory: Path,
    /,
    *,
    json: bool = False,
    plain: bool = False,
    web: bool = False,
    port: int | None = None,
    host: str | None = None,
) -> int:
    """Watch a session that is being recorded, read-only, in another terminal or in a browser.

    It begins at the newest event, with the history behind it, and waits for a session that is not there yet.

    Parameters
    ----------
    directory
        The session's folder (`run --record`).
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
    """
    if json + plain + web > 1:
        raise ConfigError("--json, --plain and --web exclude each other; choose one.")
    for flag, given in (("--port", port), ("--host", host)):
        if given is not None and not web:
            raise ConfigError(f"{flag} goes with --web; add it, or leave {flag} out.")
    if port is not None and not 0 <= port <= 65535:
        raise ConfigError("--port is 1 to 65535, or 0 for a free one.")
    with process.StopOnSignal() as signals:
        try:
            if web:
                from livemerc.web.server import serve

                return serve(directory, signals, host="127.0.0.1" if host is None else host, port=port or 0)
            from livemerc.console.show import show_follower

            return show_follower(directory, signals, json=json, plain=plain)
        except KeyboardInterrupt:
            return EXIT_OK
