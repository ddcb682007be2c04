"""The terminal itself, also when standard input carries audio."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from livemerc.errors import ConfigError


@contextmanager
def own_terminal() -> Iterator[None]:
    """Textual reads keys from `sys.__stdin__` and draws on `sys.__stderr__`: give it the terminal where those are not.

    With `--stdin` the standard input is audio, of which the screen must not eat a byte.
    Raises `ConfigError` where there is no terminal at all.
    """
    real_in, real_err = sys.__stdin__, sys.__stderr__
    opened = []
    try:
        if sys.platform != "win32":
            try:
                if real_in is None or not real_in.isatty():
                    opened.append(open("/dev/tty"))  # noqa: SIM115 - closed below
                    sys.__stdin__ = opened[-1]  # type: ignore[misc]
                if real_err is None or not real_err.isatty():
                    opened.append(open("/dev/tty", "w"))  # noqa: SIM115 - closed below
                    sys.__stderr__ = opened[-1]  # type: ignore[misc]
            except OSError as error:
                raise ConfigError("There is no terminal for the dashboard; run with --plain or --json.") from error
        yield
    finally:
        sys.__stdin__, sys.__stderr__ = real_in, real_err  # type: ignore[misc]
        for stream in opened:
            stream.close()
