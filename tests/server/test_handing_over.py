"""Rooms with journals: what one server began another goes on with, and nobody who speaks or reads can tell."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from helpers.scripted_parts import Speaks
from helpers.served import RATE_HZ, blocks, cut, events_of, is_type, opened, pcm, room, said, served
from helpers.settled import settled
from helpers.sources import Samples

from livemerc.config import Config
from livemerc.events import Event, UtteranceFinal, decode
from livemerc.pipeline.monitor import Monitor
from livemerc.server.app import RoomServer


@pytest.fixture(scope="module")
def config(configured: Callable[..., Config]) -> Config:
    return configured(asr__engine="none")


@asynccontextmanager
async def several(config: Config, journals: Path, count: int = 2) -> AsyncIterator[list[RoomServer]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(served(config, journals=journals)) for _ in range(count)]


def heard(messages: list[dict[str, Any]]) -> list[Event]:
    return settled(decode(json.dumps(event)) for event in events_of(messages))


def told(events: list[Event]) -> list[tuple[Any, ...]]:
    """What no rounding changes."""
    return [
        (e.utterance_id, e.start_s, e.end_s, e.text) if isinstance(e, UtteranceFinal)
        else (e.utterance_id, e.status, e.revision, e.label, e.abstained)
        for e in events
    ]  # fmt: skip


def in_order(messages: list[dict[str, Any]]) -> bool:
    return [m["seq"] for m in messages if "seq" in m] == list(range(1, len(events_of(messages)) + 1))


class Speaker:
    """Speaks the demo into a room, to one server after the other, and keeps all that comes back."""

    def __init__(self, client: ClientSession, name: str, end_s: float, **hello: Any) -> None:
        self._client, self._name, self._hello = client, name, {"pace": "file"} | hello
        self._pieces = list(blocks(pcm(end_s)))
        self._session: str | None = None
        self.found: list[dict[str, Any]] = []
        self.codes: list[int | None] = []

    async def to(self, server: RoomServer, until: int | None = None, *, leaves: str = "cut") -> None:
        """From where the room is to the piece `until` (None: to the end of the session), and what comes meanwhile."""
        seq = self.found[-1]["seq"] + 1 if self.found else 1
        hello = self._hello | {"from": seq} | ({} if self._session is None else {"session": self._session})
        socket = await opened(self._client, room(server, self._name), hello)
        welcome = await said(socket, is_type("welcome"))
        self._session = welcome["session"]
        reading = asyncio.create_task(self._read(socket))
        for piece in self._pieces[welcome["samples"] * 10 // RATE_HZ : until]:
            await socket.send_bytes(piece)
        if until is None:
            await socket.send_json({"type": "end"})
        elif leaves == "cut":
            while self.safe < until * RATE_HZ // 10:
                await asyncio.sleep(0.01)
            cut(socket)
        else:
            await server.hand_over()
        await reading
        self.codes.append(socket.close_code)

    safe = 0

    async def _read(self, socket: Any) -> None:
        async for message in socket:
            one = json.loads(message.data)
            if "seq" in one:
                self.found.append(one)
            elif one["type"] == "ack":
                self.safe = one["samples"]


def alone(config: Config, end_s: float) -> list[Event]:
    return settled(Monitor(Samples(end_s), config, engine=Speaks()).events())


async def test_a_room_that_is_handed_over_has_the_events_of_one_that_stayed(config: Config, tmp_path: Path) -> None:
    async with several(config, tmp_path, 3) as servers, ClientSession() as client:
        speaker = Speaker(client, "one", 45.0)
        await speaker.to(servers[0], 180, leaves="handed over")
        await speaker.to(servers[1], 330, leaves="handed over")
        await speaker.to(servers[2])
    assert speaker.codes == [1012, 1012, 1000]
    assert told(heard(speaker.found)) == told(alone(config, 45.0))
    assert in_order(speaker.found)
    assert events_of(speaker.found)[-1]["duration_s"] == 45.0
    assert events_of(speaker.found)[-1]["dropped_s"] == 0.0
    assert sum(e["type"] == "session.start" for e in events_of(speaker.found)) == 1
