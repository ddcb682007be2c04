"""The relay: whoever comes to any server gets to the one that owns the room, and gets in by one door."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from helpers.served import RATE_HZ, blocks, events_of, pcm, served
from prometheus_client.parser import text_string_to_metric_families

from livemerc.config import Config
from livemerc.errors import ConfigError
from livemerc.server.app import Address, RoomServer
from livemerc.server.door import Door
from livemerc.server.relay import Relay, secret_of

TOKEN = "0123456789abcdef"


@pytest.fixture(scope="module")
def config(configured: Callable[..., Config]) -> Config:
    return configured(asr__engine="none")


async def nothing() -> None:
    """A server that lives on its own."""


class Visitor:
    """One connection as an ASGI server hands it over."""

    def __init__(self, relay: Relay, path: str, query: str = "", kind: str = "websocket", **headers: str) -> None:
        named = {"Host": "127.0.0.1:8000"} | headers
        self._in: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.out: list[dict[str, Any]] = []
        scope: dict[str, Any] = {
            "type": kind, "path": path, "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in named.items()],
        }  # fmt: skip
        self._in.put_nowait({"type": "websocket.connect" if kind == "websocket" else "http.request"})
        self.running = asyncio.create_task(relay(scope, self._in.get, self._take))

    async def _take(self, message: Any) -> None:
        self.out.append(dict(message))

    def say(self, data: bytes | dict[str, Any]) -> None:
        told = {"bytes": data} if isinstance(data, bytes) else {"text": json.dumps(data)}
        self._in.put_nowait({"type": "websocket.receive"} | told)

    def leave(self) -> None:
        self._in.put_nowait({"type": "websocket.disconnect" if self.out else "http.disconnect"})

    async def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while not (found := [m for m in self.messages if wanted(m)]):
            await asyncio.sleep(0.02)
        return found[-1]

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(one["text"]) for one in self.out if one["type"] == "websocket.send"]

    @property
    def code(self) -> int | None:
        closed = [one["code"] for one in self.out if one["type"] == "websocket.close"]
        return closed[0] if closed else None

    @property
    def body(self) -> str:
        return b"".join(one["body"] for one in self.out if one["type"] == "http.response.body").decode()

    @property
    def status(self) -> int:
        return int(self.out[0]["status"])


@asynccontextmanager
async def relayed(config: Config, journals: Path, token: str | None = None) -> AsyncIterator[tuple[RoomServer, Relay]]:
    secret = secret_of(journals)
    async with served(config, address=Address(port=0, token=secret), journals=journals) as server:

        def mine() -> Any:
            return server.rooms.journals

        relay = Relay(Door(token, "127.0.0.1", 100), secret, mine, nothing, nothing)
        living: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        began = asyncio.Event()

        async def told(message: Any) -> None:
            began.set()

        living.put_nowait({"type": "lifespan.startup"})
        running = asyncio.create_task(relay({"type": "lifespan"}, living.get, told))
        await began.wait()
        try:
            yield server, relay
        finally:
            living.put_nowait({"type": "lifespan.shutdown"})
            await running


async def speak(visitor: Visitor, data: bytes, **hello: Any) -> None:
    visitor.say({"pace": "file"} | hello)
    for block in blocks(data):
        visitor.say(block)
    visitor.say({"type": "end"})


async def test_it_does_not_matter_where_somebody_arrives(config: Config, tmp_path: Path) -> None:
    async with relayed(config, tmp_path) as (one, at_one), relayed(config, tmp_path) as (two, at_two):
        reader = Visitor(at_two, "/rooms/kitchen/events")  # before there is a room
        speaker = Visitor(at_one, "/rooms/kitchen/audio", f"rate={RATE_HZ}")
        speaker.say({"pace": "file", "speaker": "ann"})
        await speaker.until(lambda m: m.get("type") == "welcome")
        other = Visitor(at_two, "/rooms/kitchen/audio", f"rate={RATE_HZ}")
        other.say({"pace": "file", "speaker": "ben"})
        await other.until(lambda m: m.get("type") == "welcome")
        for visitor in (speaker, other):
            for block in blocks(pcm(9.0)):
                visitor.say(block)
            visitor.say({"type": "end"})
        await asyncio.gather(speaker.running, other.running, reader.running)
        assert (len(one.rooms.rooms), len(two.rooms.rooms)) == (1, 0)
    events = events_of(reader.messages)
    assert {e["speaker"] for e in events if e["type"] == "utterance.final"} == {"ann", "ben"}
    assert any(events_of(visitor.messages) == events for visitor in (speaker, other)), "whoever ended last has all"
    assert (speaker.code, other.code, reader.code) == (1000, 1000, 1000)


async def test_whoever_is_connected_is_told_before_a_server_ends(config: Config, tmp_path: Path) -> None:
    async with relayed(config, tmp_path) as (_, relay):
        visitors = [Visitor(relay, f"/rooms/r{number}/audio", f"rate={RATE_HZ}") for number in range(2)]
        for visitor in visitors:
            visitor.say({})
            await visitor.until(lambda m: m.get("type") == "welcome")
        relay.drain()
        late = Visitor(relay, "/rooms/late/audio", f"rate={RATE_HZ}")
        await asyncio.gather(*(visitor.running for visitor in [*visitors, late]))
    assert [visitor.code for visitor in [*visitors, late]] == [1012, 1012, 1012]


async def test_an_owner_that_dies_costs_a_connection_and_the_next_one_goes_on(config: Config, tmp_path: Path) -> None:
    async with relayed(config, tmp_path) as (one, at_one), relayed(config, tmp_path) as (_, at_two):
        speaker = Visitor(at_one, "/rooms/kitchen/audio", f"rate={RATE_HZ}")
        speaker.say({"pace": "file"})
        session = (await speaker.until(lambda m: m.get("type") == "welcome"))["session"]
        away = Visitor(at_two, "/rooms/kitchen/events")
        await away.until(lambda m: "seq" in m)
        await one.hand_over()
        await asyncio.gather(speaker.running, away.running)
        assert (speaker.code, away.code) == (1012, 1012)
        again = Visitor(at_two, "/rooms/kitchen/audio", f"rate={RATE_HZ}")
        await speak(again, pcm(4.0), session=session, **{"from": 2})
        await again.running
    assert events_of(again.messages)[-1]["type"] == "session.end"
    assert next(m["seq"] for m in again.messages if "seq" in m) == 2


@pytest.mark.parametrize(
    ("path", "query", "headers", "said"),
    [
        ("/rooms/a/audio", f"rate={RATE_HZ}", {}, "token"),
        ("/rooms/a/audio", f"rate={RATE_HZ}&token=wrong", {}, "token"),
        ("/rooms/a/audio", f"rate={RATE_HZ}&token={TOKEN}", {"Origin": "https://elsewhere.example"}, "Another site"),
        ("/rooms/a/audio", f"token={TOKEN}", {}, "rate=16000"),
        ("/rooms/%2e%2e/audio", f"rate={RATE_HZ}&token={TOKEN}", {}, "no such address"),
        ("/elsewhere", f"token={TOKEN}", {}, "no such address"),
    ],
)
async def test_who_does_not_get_in_is_told_why(
    config: Config, tmp_path: Path, path: str, query: str, headers: dict[str, str], said: str
) -> None:
    async with relayed(config, tmp_path, TOKEN) as (server, relay):
        visitor = Visitor(relay, path, query, **headers)
        await visitor.running
        assert server.rooms.rooms == {}
    (message,) = visitor.messages
    assert message["type"] == "error"
    assert said in message["error"]
    assert visitor.code == 1008


async def test_pages_and_event_streams_pass_and_figures_are_of_all_servers(config: Config, tmp_path: Path) -> None:
    async with relayed(config, tmp_path) as (one, at_one), relayed(config, tmp_path) as (two, at_two):
        speaker = Visitor(at_one, "/rooms/kitchen/audio", f"rate={RATE_HZ}")
        await speak(speaker, pcm(4.0))
        await speaker.running
        page, stream, figures, about = (
            Visitor(at_two, path, kind="http") for path in ("/", "/rooms/kitchen/events", "/metrics", "/about")
        )
        await asyncio.gather(page.running, stream.running, figures.running, about.running)
        addresses = {one.inner_url, two.inner_url}
    assert page.status == stream.status == about.status == 200
    assert page.body.startswith("<!doctype html>")
    assert json.loads(about.body)["purpose"] == "personal"
    lines = [line.removeprefix("data: ") for line in stream.body.split("\n") if line.startswith("data: ")]
    assert [json.loads(line)["event"] for line in lines] == events_of(speaker.messages)
    samples = [s for family in text_string_to_metric_families(figures.body) for s in family.samples]
    assert {f"http://{s.labels['server']}" for s in samples} == addresses
    assert sum(s.value for s in samples if s.name == "livemerc_sessions_total") == 1


async def test_a_foreign_name_is_refused_where_there_is_no_token(config: Config, tmp_path: Path) -> None:
    async with relayed(config, tmp_path) as (_, relay):
        visitor = Visitor(relay, "/metrics", kind="http", Host="rebound.example")
        await visitor.running
    assert visitor.status == 403


def test_servers_of_the_same_journals_have_one_secret(tmp_path: Path) -> None:
    assert secret_of(tmp_path / "a") == secret_of(tmp_path / "a") != secret_of(tmp_path / "b")
    assert (tmp_path / "a" / ".secret").stat().st_mode & 0o077 == 0
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="no place for journals"):
        secret_of(tmp_path / "file")
