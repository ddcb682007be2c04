"""An ASGI application in front of several servers of rooms: it carries whoever comes to the server that owns the room.

Every server has one, so it does not matter at which of them somebody arrives. Who gets in is decided here; the servers
themselves let in whoever knows the secret that lies beside their journals.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
from aiohttp import WSCloseCode, WSMsgType

from livemerc.errors import ConfigError, cause_of
from livemerc.protocol import LONGEST_MESSAGE_BYTES, ROOM, Refused, text
from livemerc.server.door import Door
from livemerc.server.journals import Journals
from livemerc.server.metrics import merged
from livemerc.server.sockets import HEARTBEAT_S

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_LOOK_EVERY_S = 0.3
"""How often a reader's room is looked for that is not there yet."""
_TRIES = 20
"""An owner that has just died, or hands its room over, is looked for anew so often."""
_PASSED_ON = ("authorization", "last-event-id", "accept")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as `Door.refusal` and the servers need it."""

    host: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]

    @classmethod
    def of(cls, scope: Scope) -> Asked:
        headers = {name.decode("latin-1").title(): value.decode("latin-1") for name, value in scope["headers"]}
        query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
        return cls(headers.get("Host", ""), scope["path"], headers, query)

    @property
    def room(self) -> str | None:
        """The room that is asked for; None = none."""
        parts = self.path.strip("/").split("/")
        return parts[1] if len(parts) == 3 and parts[0] == "rooms" and ROOM.fullmatch(parts[1]) else None

    @property
    def speaks(self) -> bool:
        return self.path.endswith("/audio")

    @property
    def rest(self) -> dict[str, str]:
        """The query without the token, which is for the door alone."""
        return {key: value for key, value in self.query.items() if key != "token"}


class Relay:
    """door: decides who gets in. secret: what the servers want to hear (`secret_of`). journals: tells who owns a room,
    and which server is this process's own. begin, end: with the application."""

    def __init__(
        self,
        door: Door,
        secret: str,
        journals: Callable[[], Journals],
        begin: Callable[[], Awaitable[object]],
        end: Callable[[], Awaitable[object]],
    ) -> None:
        self.draining = False
        """Nobody is let in any more: this process is about to end."""
        self._door = door
        self._headers = {"Authorization": f"Bearer {secret}"}
        self._journals = journals
        self._begin, self._end = begin, end
        self._client: aiohttp.ClientSession
        self._carrying: set[asyncio.Event] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._http(Asked.of(scope), receive, send)
        else:
            await receive()  # websocket.connect
            await self._websocket(Asked.of(scope), receive, send)

    def drain(self) -> None:
        """Lets nobody in any more, and tells whoever is connected to come again (1012)."""
        self.draining = True
        for leaving in self._carrying:
            leaving.set()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as self._client:
            await self._begin()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await self._end()
        await send({"type": "lifespan.shutdown.complete"})

    async def _owner(self, room: str) -> str:
        journals = self._journals()
        return await asyncio.to_thread(journals.owner, room) or journals.address

    async def _owner_to_read(self, room: str) -> str:
        """As soon as there is one: a reader opens no room."""
        journals = self._journals()
        while (owner := await asyncio.to_thread(journals.owner, room)) is None:
            if await asyncio.to_thread(journals.waits, room):
                return journals.address
            await asyncio.sleep(_LOOK_EVERY_S)
        return owner

    # -- WebSockets --------------------------------------------------------------------------------------------------

    async def _websocket(self, asked: Asked, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})  # a close before it would reach nobody with its reason
        if self.draining:
            await send({"type": "websocket.close", "code": WSCloseCode.SERVICE_RESTART})
            return
        refused = self._door.refusal(asked)
        if refused is not None or asked.room is None:
            sentence = "there is no such address; see docs/server.md." if refused is None else refused[1].strip()
            await _refuse(send, sentence)
            return
        leaving, left = asyncio.Event(), asyncio.Event()
        self._carrying.add(leaving)
        waiting: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue(64)
        taking = asyncio.create_task(_take(receive, waiting, left))
        carrying = asyncio.create_task(self._carry(asked, waiting, send))
        others = [asyncio.create_task(one.wait()) for one in (leaving, left)]
        try:
            await asyncio.wait({carrying, *others}, return_when=asyncio.FIRST_COMPLETED)
            if not left.is_set():
                code = carrying.result() if carrying.done() else WSCloseCode.SERVICE_RESTART
                await send({"type": "websocket.close", "code": code})
        finally:
            self._carrying.discard(leaving)
            for task in (taking, carrying, *others):
                task.cancel()
            await asyncio.wait([taking, carrying, *others])
            if not carrying.cancelled():
                carrying.exception()  # seen: what was sent to somebody who has left

    async def _carry(self, asked: Asked, waiting: asyncio.Queue[MutableMapping[str, Any]], send: Send) -> int:
        """To the end of the connection; the code to close with."""
        assert asked.room is not None
        for _ in range(_TRIES):
            owner = await (self._owner(asked.room) if asked.speaks else self._owner_to_read(asked.room))
            try:
                async with self._client.ws_connect(
                    f"{owner}{asked.path}", params=asked.rest, headers=self._headers, heartbeat=HEARTBEAT_S,
                    max_msg_size=LONGEST_MESSAGE_BYTES, compress=0,
                ) as socket:  # fmt: skip
                    return await _both_ways(socket, waiting, send)
            except aiohttp.WSServerHandshakeError as error:
                if error.status == 503:
                    return WSCloseCode.TRY_AGAIN_LATER
                await send({"type": "websocket.send", "text": text(Refused(_WRONG))})
                return WSCloseCode.POLICY_VIOLATION
            except (aiohttp.ClientError, OSError):
                await asyncio.sleep(_LOOK_EVERY_S)
        return WSCloseCode.SERVICE_RESTART

    # -- plain HTTP --------------------------------------------------------------------------------------------------

    async def _http(self, asked: Asked, receive: Receive, send: Send) -> None:
        refused = self._door.refusal(asked)
        if refused is not None:
            await _respond(send, *refused)
        elif asked.path == "/metrics":
            await _respond(send, 200, await self._metrics(), "text/plain; version=0.0.4")
        else:
            gone = asyncio.create_task(_gone(receive))
            passing = asyncio.create_task(self._pass_on(asked, send))
            try:
                await asyncio.wait({gone, passing}, return_when=asyncio.FIRST_COMPLETED)
                if passing.done():
                    passing.result()
            finally:
                for task in (gone, passing):
                    task.cancel()
                await asyncio.wait([gone, passing])

    async def _pass_on(self, asked: Asked, send: Send) -> None:
        owner = self._journals().address if asked.room is None else await self._owner_to_read(asked.room)
        passed = {name: asked.headers[name.title()] for name in _PASSED_ON if name.title() in asked.headers}
        try:
            async with self._client.get(
                f"{owner}{asked.path}", params=asked.rest, headers=passed | self._headers,
                timeout=aiohttp.ClientTimeout(total=None),
            ) as answer:  # fmt: skip
                headers = [(k.lower().encode(), v.encode()) for k, v in answer.headers.items() if k.lower() not in _OWN]
                await send({"type": "http.response.start", "status": answer.status, "headers": headers})
                async for chunk in answer.content.iter_any():
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
        except (aiohttp.ClientConnectorError, OSError) as error:
            await _respond(send, 503, f"The room's server does not answer ({cause_of(error)}); come back later.\n")

    async def _metrics(self) -> bytes:
        """Of all servers, each sample with its server."""
        servers = await asyncio.to_thread(self._journals().servers)
        texts = await asyncio.gather(*(self._metrics_of(server) for server in servers))
        found = {
            server.removeprefix("http://"): body
            for server, body in zip(servers, texts, strict=True)
            if body is not None
        }
        return merged(found)

    async def _metrics_of(self, server: str) -> str | None:
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            timeout = aiohttp.ClientTimeout(total=2.0)
            async with self._client.get(f"{server}/metrics", headers=self._headers, timeout=timeout) as answer:
                return await answer.text()
        return None  # it has gone, and its figures with it


_OWN = ("transfer-encoding", "content-encoding", "content-length", "connection", "date", "server")
_WRONG = "the address is not right: say how many samples a second come (?rate=16000); see docs/server.md."
_CLOSED = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)


async def _take(receive: Receive, waiting: asyncio.Queue[MutableMapping[str, Any]], left: asyncio.Event) -> None:
    while (message := await receive())["type"] != "websocket.disconnect":
        await waiting.put(message)
    left.set()


async def _both_ways(
    socket: aiohttp.ClientWebSocketResponse, waiting: asyncio.Queue[MutableMapping[str, Any]], send: Send
) -> int:
    async def up() -> None:
        while True:
            message = await waiting.get()
            if message.get("bytes") is not None:
                await socket.send_bytes(message["bytes"])
            else:
                await socket.send_str(message["text"])

    async def down() -> None:
        while (message := await socket.receive()).type not in _CLOSED:
            if message.type is WSMsgType.TEXT:
                await send({"type": "websocket.send", "text": message.data})

    tasks = [asyncio.create_task(up()), asyncio.create_task(down())]
    try:
        await asyncio.wait({tasks[1]})
        tasks[1].result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.exception()  # a connection that is gone: `down` has seen it, too
    code = socket.close_code
    return WSCloseCode.SERVICE_RESTART if code is None or code == WSCloseCode.ABNORMAL_CLOSURE else code


async def _refuse(send: Send, sentence: str) -> None:
    await send({"type": "websocket.send", "text": text(Refused(sentence))})
    await send({"type": "websocket.close", "code": WSCloseCode.POLICY_VIOLATION})


async def _respond(send: Send, status: int, body: str | bytes, kind: str = "text/plain; charset=utf-8") -> None:
    data = body.encode() if isinstance(body, str) else body
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def secret_of(journals: Path) -> str:
    """What the servers of these journals know each other by: made by the first. Raises `ConfigError`."""
    path = journals / ".secret"
    try:
        journals.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = journals / f".secret-{secrets.token_hex(8)}"
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
        with contextlib.suppress(FileExistsError):
            os.link(new, path)
        new.unlink()
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(
            f"journals {journals}: no place for journals ({cause_of(error)}); give a folder that can be written to."
        ) from error
