"""The server of `watch --web`: textual-serve's, behind a door.

Who may in: whoever knows the address, whose first part is a token made anew for every run. It guards the page, its
files and the websocket alike. A page of another site can neither read nor drive the screen: the websocket wants the
Origin of this very server, and the Host must name this machine (else a name that an attacker points here would do).
"""

from __future__ import annotations

import asyncio
import hmac
import html
import secrets
import socket
import string
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import WSCloseCode, WSMsgType, web
from textual_serve.app_service import AppService
from textual_serve.server import Server

from livemerc.errors import EXIT_OK, ConfigError, cause_of, say, warn
from livemerc.runtime import process
from livemerc.sessions.follower import Follower
from livemerc.text_safety import plain_text
from livemerc.web.addresses import is_loopback, is_ours
from livemerc.web.headers import SAFE
from livemerc.web.viewer import Viewer

MOST_VIEWERS = 8
"""Each viewer is a process of its own with some 60 MB."""
_LONGEST_MESSAGE_BYTES = 1 << 16
_HEARTBEAT_S = 10.0
_STATIC = Path(__file__).parent / "static"
_FILES = {
    "page.css": ("page.css", "text/css"),
    "page.mjs": ("page.mjs", "text/javascript"),
    "xterm.css": ("xterm/xterm.css", "text/css"),
    "xterm.mjs": ("xterm/xterm.mjs", "text/javascript"),
    "addon-fit.mjs": ("xterm/addon-fit.mjs", "text/javascript"),
    "addon-unicode11.mjs": ("xterm/addon-unicode11.mjs", "text/javascript"),
}
_HEADERS = {
    # xterm.js writes its styles into the page; nothing else comes from anywhere but here
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    **SAFE,
}


def serve(path: Path, signals: process.StopOnSignal, *, host: str, port: int) -> int:
    """Serve the session in `path` to browsers until a stop signal. Prints the address on standard output.

    port 0 = a free one. Returns the exit code. Raises `InputError` (no session there) and `ConfigError` (the address is
    taken or is not this machine's).
    """
    Follower(path).close()
    server = WatchServer(path, host=host, port=port)
    asyncio.run(server.run(signals))
    return EXIT_OK


class WatchServer(Server):
    """textual-serve's server without its page, its open doors and its shell."""

    def __init__(self, path: Path, *, host: str = "127.0.0.1", port: int = 0, most_viewers: int = MOST_VIEWERS) -> None:
        super().__init__("", host=host, port=port, title=f"livemerc: {plain_text(path.absolute().name)}")
        self.path = path
        self.token = secrets.token_urlsafe(24)
        self._most_viewers = most_viewers
        self._open: dict[AppService, web.WebSocketResponse] = {}

    @property
    def address(self) -> str:
        """The address that a browser opens."""
        host = socket.gethostname() if self.host in ("0.0.0.0", "::", "") else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/{self.token}/"

    async def run(self, signals: process.StopOnSignal | None = None, ready: Callable[[], object] | None = None) -> None:
        """Serve until the first stop signal. `ready` is called once browsers may come."""
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        runner = web.AppRunner(await self._make_app(), access_log=None, handle_signals=False, shutdown_timeout=2.0)
        await runner.setup()
        site = web.TCPSite(runner, self.host, self.port)
        try:
            try:
                await site.start()
            except OSError as error:
                raise ConfigError(
                    f"--web cannot listen on {self.host}, port {self.port} ({cause_of(error)}); give another --port or "
                    "--host."
                ) from error
            self.port = runner.addresses[0][1]
            self._announce()
            if ready is not None:
                ready()
            if signals is not None:

                def stop() -> None:
                    loop.call_soon_threadsafe(stopped.set)

                signals.call(stop)
            await stopped.wait()
        finally:
            await runner.cleanup()

    def _announce(self) -> None:
        if not is_loopback(self.host):
            warn(
                f"--host {self.host}: whoever reaches this machine over the network and knows the address sees the "
                "session, and the connection is not encrypted."
            )
        print(self.address, flush=True)
        say("open this address in a browser; whoever has it can watch. Ctrl+C ends.")

    async def _make_app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        app.add_routes(
            [
                web.get("/{token}/", self._page),
                web.get("/{token}/ws", self.handle_websocket),
                web.get("/{token}/static/{name}", self._file),
            ]
        )
        app.on_response_prepare.append(_add_headers)
        app.on_shutdown.append(self.on_shutdown)
        return app

    # -- the door ------------------------------------------------------------------------------------------------------

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        why = self._refusal(request)
        if why is not None:
            return web.Response(status=403, text=why)
        return await handler(request)

    def _refusal(self, request: web.Request) -> str | None:
        if not is_ours(request.host, self.host):
            return "This address is not this machine's; open the one that livemerc printed.\n"
        given = request.path.split("/", 2)[1]
        if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self.token.encode()):
            return "Open the whole address that livemerc printed.\n"
        origin = request.headers.get("Origin")
        is_socket = request.headers.get("Upgrade", "").lower() == "websocket"
        if origin is None:
            return "A websocket is for the page of this server alone.\n" if is_socket else None
        same = origin.lower() in (f"http://{request.host.lower()}", f"https://{request.host.lower()}")
        return None if same else "Another site's page has no business here.\n"

    # -- what there is behind it ---------------------------------------------------------------------------------------

    async def _page(self, request: web.Request) -> web.Response:
        template = string.Template((_STATIC / "page.html").read_text(encoding="utf-8"))
        return web.Response(text=template.substitute(title=html.escape(self.title)), content_type="text/html")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["name"] not in _FILES:
            raise web.HTTPNotFound
        name, kind = _FILES[request.match_info["name"]]
        return web.Response(body=(_STATIC / name).read_bytes(), content_type=kind, charset="utf-8")

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one browser: it gets a viewer of its own for as long as the connection stands."""
        connection = web.WebSocketResponse(heartbeat=_HEARTBEAT_S, max_msg_size=_LONGEST_MESSAGE_BYTES)
        await connection.prepare(request)
        if len(self._open) >= self._most_viewers:
            await connection.send_json(
                ["ended", f"{self._most_viewers} browsers watch already, and that is the most; close one."]
            )
            await connection.close(code=WSCloseCode.TRY_AGAIN_LATER)
            return connection

        async def ended(why: str) -> None:
            await connection.send_json(["ended", plain_text(why)])
            await connection.close()

        viewer = Viewer(self.path, write_bytes=connection.send_bytes, ended=ended)
        self._open[viewer] = connection
        try:
            await viewer.start(_whole(request.query.get("width"), 80), _whole(request.query.get("height"), 24))
            await self._process_messages(connection, viewer)
        finally:
            await viewer.stop()
            del self._open[viewer]
        return connection

    async def _process_messages(self, websocket: web.WebSocketResponse, app_service: AppService) -> None:
        async for message in websocket:
            if message.type != WSMsgType.TEXT:
                continue
            try:
                match message.json():
                    case ["stdin", str(data)]:
                        await app_service.send_bytes(data.encode("utf-8", "replace"))
                    case ["resize", {"width": int(width), "height": int(height)}]:
                        await app_service.set_terminal_size(width, height)
            except ValueError:
                break  # no JSON: not our page

    async def on_shutdown(self, app: web.Application) -> None:
        for connection in list(self._open.values()):
            await connection.close(code=WSCloseCode.GOING_AWAY)


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)


def _whole(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isdecimal() and len(text) < 6 else default
