"""The server: its addresses, its page, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakSet

import msgspec
from aiohttp import WSCloseCode, web

from livemerc.asr.engine import AsrEngine
from livemerc.config import Config
from livemerc.emotions import EMOTIONS
from livemerc.errors import ConfigError, cause_of
from livemerc.events import Event
from livemerc.protocol import RESUME_WITHIN_S
from livemerc.report.notice import TITLE, WHILE_IT_RUNS, sections
from livemerc.server import sockets
from livemerc.server.door import Door, Full
from livemerc.server.journals import Journals
from livemerc.server.limits import Limits
from livemerc.server.metrics import Metrics
from livemerc.server.room import MovedError, RefusedError
from livemerc.server.rooms import Rooms
from livemerc.server.webhooks import Webhook
from livemerc.streams.batch import Parts
from livemerc.streams.streams import Streams
from livemerc.web.headers import SAFE

_STATIC = Path(__file__).parent / "static"
_KINDS = {".css": "text/css", ".mjs": "text/javascript", ".html": "text/html", ".svg": "image/svg+xml"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    **SAFE,
}
_EMOTIONS = {e.name: {"colour": e.colour, "glyph": e.glyph, "valence": e.valence} for e in EMOTIONS.values()}
_REST_S = 2.0
_ADOPT_EVERY_S = 10.0

Serve = Callable[[web.Request, Rooms], Awaitable[web.StreamResponse]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where the server listens, and who may come. token: None = no token; tls: None = not encrypted."""

    host: str = "127.0.0.1"
    port: int = 8765
    token: str | None = None
    tls: ssl.SSLContext | None = None


class RoomServer:
    """`run` once. engine: the recogniser; None = the one that `config` asks for. record: as `Rooms` takes it.
    webhook: gets the events, too. bring_parts: as `Streams` takes it. journals: a folder of which other servers go on
    with what this one began (`livemerc.server.journals`); they reach it at `address.host`."""

    def __init__(
        self,
        config: Config,
        address: Address,
        limits: Limits | None = None,
        *,
        record: Path | None = None,
        record_audio: bool = False,
        engine: AsrEngine | None = None,
        webhook: Webhook | None = None,
        bring_parts: Callable[[], Parts] | None = None,
        journals: Path | None = None,
    ) -> None:
        self.address = address
        self.limits = limits or Limits()
        self.port = address.port
        self.metrics = Metrics()
        self.streams = Streams({}, config, engines=engine, stays=True, bring_parts=bring_parts)
        self.door = Door(address.token, address.host, self.limits.connections)
        self.rooms: Rooms
        self._config = config
        self._record = record
        self._record_audio = record_audio
        self._webhook = webhook
        self._journals = journals
        self._sockets: WeakSet[web.WebSocketResponse] = WeakSet()
        self._files = {file.name: file.read_bytes() for file in _STATIC.iterdir() if file.suffix in _KINDS}
        self._loop: asyncio.AbstractEventLoop
        self._stopped: asyncio.Event

    @property
    def url(self) -> str:
        """The address that a browser opens; the token stands behind #, which no browser sends anywhere."""
        host = socket.gethostname() if self.address.host in ("0.0.0.0", "::", "") else self.address.host
        scheme = "http" if self.address.tls is None else "https"
        token = "" if self.address.token is None else f"#{self.address.token}"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}/{token}"

    @property
    def inner_url(self) -> str:
        """The address for other servers, without a token."""
        host = self.address.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    async def hand_over(self) -> None:
        """Others go on with every room that has a journal; whoever is connected is told to come again (1012)."""
        self.rooms.hand_over()
        await self._close_sockets()

    async def _adopt(self) -> None:
        """Rooms to which nobody came back when their server died come to their end, too."""
        while self.rooms.journals is not None:
            await asyncio.sleep(_ADOPT_EVERY_S)
            for name in await asyncio.to_thread(self.rooms.journals.orphans, 2 * RESUME_WITHIN_S):
                with contextlib.suppress(RefusedError, MovedError):
                    await self.rooms.find(name)

    def stop(self) -> None:
        """From any thread, once it runs: every room is flushed, then the server ends."""
        self._loop.call_soon_threadsafe(self._stopped.set)

    async def run(self, ready: Callable[[], object] = lambda: None) -> None:
        """Serves until `stop`. ready: called once clients may come. Raises `ModelError`, `ConfigError` where it cannot
        listen there, and what a shared part dies of."""
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        self.rooms = Rooms(
            self.streams, self._config, self.limits, record=self._record, record_audio=self._record_audio,
            heard=self._see, slow=self.metrics.slow.inc,
        )  # fmt: skip
        runner = web.AppRunner(self._app(), access_log=None, handle_signals=False, shutdown_timeout=_REST_S)
        await runner.setup()
        hook = None if self._webhook is None else asyncio.create_task(self._webhook.run())
        try:
            await self.rooms.open()
            site = web.TCPSite(runner, self.address.host, self.address.port, ssl_context=self.address.tls, backlog=1024)
            try:
                await site.start()
            except OSError as error:
                raise ConfigError(
                    f"the server cannot listen on {self.address.host}, port {self.address.port} ({cause_of(error)}); "
                    "give another --port or --host."
                ) from error
            self.port = runner.addresses[0][1]
            if self._journals is not None:
                self.rooms.journals = Journals(self._journals, self.inner_url)
                self.rooms.journals.enter()
            ready()
            sweeping = asyncio.create_task(_sweep(runner, self.limits.idle_s))
            adopting = asyncio.create_task(self._adopt())
            stopped = asyncio.create_task(self._stopped.wait())
            over = asyncio.create_task(self.rooms.over.wait())
            await asyncio.wait({stopped, over}, return_when=asyncio.FIRST_COMPLETED)
            for task in (sweeping, adopting, stopped, over):
                task.cancel()
        finally:
            await self.rooms.stop()
            await self._say_goodbye()
            if self._webhook is not None and hook is not None:
                await self._webhook.end(hook)
            await runner.cleanup()
            if self.rooms.journals is not None:
                self.rooms.journals.leave()
        if self.rooms.failure is not None:
            raise self.rooms.failure

    def _see(self, room: str, event: Event, line: str) -> None:
        self.metrics.see(room, event)
        if self._webhook is not None:
            self._webhook.give(room, line, event)

    async def _say_goodbye(self) -> None:
        """What was flushed is on its way; then each connection is told that the server ends."""
        await asyncio.sleep(0)
        until_s = self._loop.time() + _REST_S
        while any(room.readers for room in self.rooms.rooms.values()) and self._loop.time() < until_s:
            await asyncio.sleep(0.02)
        await self._close_sockets()

    async def _close_sockets(self) -> None:
        closing = [one.close(code=WSCloseCode.SERVICE_RESTART) for one in list(self._sockets) if not one.closed]
        if closing:
            await asyncio.wait([asyncio.ensure_future(one) for one in closing], timeout=_REST_S)

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=1 << 10)
        app.add_routes(
            [
                web.get("/", self._page),
                web.get("/static/{name}", self._file),
                web.get("/about", self._about),
                web.get("/health", self._health),
                web.get("/metrics", self._metrics),
                web.get("/rooms/{room}/audio", self._audio),
                web.get("/rooms/{room}/events", self._events),
            ]
        )
        app[sockets.SOCKETS] = self._sockets
        app.on_response_prepare.append(_add_headers)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        refused = self.door.refusal(request)
        if refused is not None:
            self.metrics.refused.labels(refused[0]).inc()
            return web.Response(status=refused[0], text=refused[1])
        return await handler(request)

    # -- what there is behind the door -------------------------------------------------------------------------------

    async def _connected(
        self, request: web.Request, serve: Callable[..., Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if self.rooms.stopping:
            raise web.HTTPServiceUnavailable(text="The server is stopping; come back later.\n")
        try:
            with self.door.enter():
                self.metrics.connections.set(self.door.connections)
                return await serve(request, self.rooms)
        except Full:
            self.metrics.refused.labels(503).inc()
            raise web.HTTPServiceUnavailable(
                text=f"{self.limits.connections} connections stand already, and that is the most; come back later.\n"
            ) from None
        finally:
            self.metrics.connections.set(self.door.connections)

    async def _audio(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise web.HTTPUpgradeRequired(text="Audio comes over a WebSocket; see docs/server.md.\n")
        return await self._connected(request, sockets.audio)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        return await self._connected(request, sockets.events)

    async def _page(self, request: web.Request) -> web.Response:
        return web.Response(body=self._files["page.html"], content_type="text/html", charset="utf-8")

    async def _file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._files:
            raise web.HTTPNotFound
        return web.Response(body=self._files[name], content_type=_KINDS[Path(name).suffix], charset="utf-8")

    async def _about(self, request: web.Request) -> web.Response:
        """What people who are listened to are shown, and how labels are, as JSON."""
        recording = WHILE_IT_RUNS if self._journals is not None else None
        if self._record is not None:
            recording = "rec + audio" if self._record_audio else "rec"
        found = sections(self._config.voice, recording=recording, known=True)
        told = {"title": TITLE, "purpose": self._config.purpose, "sections": found, "emotions": _EMOTIONS}
        return web.Response(body=msgspec.json.encode(told), content_type="application/json")

    async def _health(self, request: web.Request) -> web.Response:
        status = 503 if self.rooms.stopping or self.rooms.over.is_set() else 200
        return web.json_response({"ok": status == 200, "rooms": len(self.rooms.running)}, status=status)

    async def _metrics(self, request: web.Request) -> web.Response:
        running = self.rooms.running
        self.metrics.rooms.set(len(running))
        self.metrics.sources.set(sum(room.speaking for room in running))
        return web.Response(body=self.metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4"})


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)


async def _sweep(runner: web.AppRunner, idle_s: float) -> None:
    """Closes connections on which nobody has asked for anything: aiohttp waits for a request's end without end."""
    idle: set[Any] = set()
    while True:
        await asyncio.sleep(idle_s)
        assert runner.server is not None
        now = {one for one in runner.server.connections if getattr(one, "_current_request", None) is None}
        for one in idle & now:
            one.force_close()
            if one.transport is not None:
                one.transport.abort()
        idle = now - idle
