"""Who gets in: by token, by Host, by Origin, and no more at once than the server bears."""

from __future__ import annotations

import contextlib
import hmac
from collections.abc import Iterator, Mapping
from typing import Protocol

from livemerc.web.addresses import is_loopback, is_ours

OPEN = ("/", "/health")
"""Known to everybody: nothing of anybody is there. So are the page's files."""


class Asked(Protocol):
    """Of a request, what decides."""

    @property
    def host(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def query(self) -> Mapping[str, str]: ...


class Full(Exception):
    """There are as many connections as the server bears."""


class Door:
    """token: what everybody must know; None = whoever reaches the server gets in, and it is reached by this machine
    alone. host: the address it listens on."""

    def __init__(self, token: str | None, host: str, most: int) -> None:
        self._token = None if token is None else token.encode()
        self._host = host
        self._most = most
        self.connections = 0

    def refusal(self, request: Asked) -> tuple[int, str] | None:
        """Status and a sentence; None = come in."""
        if self._token is None and not is_ours(request.host, self._host):
            return 403, "This address is not this machine's; open the one that livemerc printed.\n"
        origin = request.headers.get("Origin")
        if origin is not None and not _same(origin, request.host):
            return 403, "Another site's page has no business here.\n"
        if self._token is not None and request.path not in OPEN and not request.path.startswith("/static/"):
            given = request.headers.get("Authorization", "").removeprefix("Bearer ") or request.query.get("token", "")
            if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._token):
                return 401, "The token is wrong or missing; give the one that this server was started with.\n"
        return None

    @contextlib.contextmanager
    def enter(self) -> Iterator[None]:
        """For as long as a connection stands. Raises `Full`."""
        if self.connections >= self._most:
            raise Full
        self.connections += 1
        try:
            yield
        finally:
            self.connections -= 1


def needs_token(host: str) -> bool:
    """Whether others than this machine reach it."""
    return not is_loopback(host)


def _same(origin: str, host: str) -> bool:
    return origin.lower() in (f"http://{host.lower()}", f"https://{host.lower()}")
