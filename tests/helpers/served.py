"""A server of rooms in this process, and audio for it."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType
from helpers.command_line import environment, running
from helpers.paths import DEMO, PROJECT
from helpers.scripted_parts import Speaks

from livemerc.audio.read import read_samples
from livemerc.config import Config
from livemerc.server.app import Address, RoomServer
from livemerc.server.limits import Limits

RATE_HZ = 16_000
PATIENCE_S = 120.0


@asynccontextmanager
async def served(config: Config, limits: Limits | None = None, **options: Any) -> AsyncIterator[RoomServer]:
    """Ended as a stop signal does it."""
    address = options.pop("address", Address(port=0))
    server = RoomServer(config, address, limits, engine=options.pop("engine", Speaks()), **options)
    ready = asyncio.Event()
    running = asyncio.create_task(server.run(ready.set))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_S)
    waiting.cancel()
    try:
        if running.done():
            running.result()
        yield server
    finally:
        if not running.done():
            server.stop()
        await asyncio.wait_for(running, PATIENCE_S)


def pcm(end_s: float, start_s: float = 0.0) -> bytes:
    """The demo's samples as s16le, 16 kHz."""
    samples = read_samples(DEMO, RATE_HZ, start_s, end_s)
    return np.clip(np.rint(samples * 32768.0), -32768, 32767).astype("<i2").tobytes()


def blocks(data: bytes, block_ms: int = 100) -> Iterator[bytes]:
    step = 2 * RATE_HZ * block_ms // 1000
    for at in range(0, len(data), step):
        yield data[at : at + step]


def room(server: RoomServer, name: str = "one", host: str = "127.0.0.1") -> str:
    return f"http://{host}:{server.port}/rooms/{name}"


async def opened(client: ClientSession, url: str, hello: dict[str, Any], **options: Any) -> ClientWebSocketResponse:
    socket = await client.ws_connect(f"{url}/audio?rate={RATE_HZ}", **options)
    await socket.send_json(hello)
    return socket


def cut(socket: ClientWebSocketResponse) -> None:
    """As a network does it: nothing is said."""
    connection = socket._response.connection
    assert connection is not None
    assert connection.transport is not None
    connection.transport.abort()


async def said(socket: ClientWebSocketResponse, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The next message of that kind."""
    while True:
        message = await asyncio.wait_for(socket.receive(), PATIENCE_S)
        assert message.type is WSMsgType.TEXT, (message, socket.close_code)
        found: dict[str, Any] = json.loads(message.data)
        if wanted(found):
            return found


async def rest(socket: ClientWebSocketResponse) -> list[dict[str, Any]]:
    """All messages until the connection is closed."""
    return [json.loads(message.data) async for message in socket if message.type is WSMsgType.TEXT]


def events_of(messages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [message["event"] for message in messages if "event" in message]


def is_type(kind: str) -> Callable[[dict[str, Any]], bool]:
    return lambda message: message.get("type") == kind or message.get("event", {}).get("type") == kind


def sessions_in(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


@contextmanager
def serving(*arguments: str | Path) -> Iterator[str]:
    """The address that `livemerc serve` prints; ended as Ctrl+C does, with 0."""
    command = [sys.executable, "-m", "livemerc", "serve", "--port", "0", *map(str, arguments)]
    with running(command, text=True, cwd=PROJECT, env=environment()) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert re.match(r"https?://127\.0\.0\.1:", address), process.stderr.read() if process.stderr else ""
        yield address
        process.send_signal(2)
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
