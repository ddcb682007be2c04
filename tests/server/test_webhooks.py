"""Webhooks: what is sent, how it is signed, and what becomes of it where nobody answers."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession, web
from helpers.served import blocks, events_of, opened, pcm, rest, room, served

from livemerc.config import Config
from livemerc.errors import ConfigError
from livemerc.server.webhooks import Webhook

SECRET = b"a secret of sixteen letters"


@pytest.fixture(scope="module")
def config(configured: Callable[..., Config]) -> Config:
    return configured(asr__engine="none")


@asynccontextmanager
async def receiver(answers: list[int]) -> AsyncIterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """An address that answers with `answers`, then with 204, and what it got."""
    got: list[tuple[dict[str, str], bytes]] = []

    async def take(request: web.Request) -> web.Response:
        got.append((dict(request.headers), await request.read()))
        return web.Response(status=answers.pop(0) if answers else 204)

    app = web.Application()
    app.add_routes([web.post("/hook", take)])
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook", got
    finally:
        await runner.cleanup()


async def session(config: Config, hook: Webhook) -> list[dict[str, Any]]:
    async with served(config, webhook=hook) as server, ClientSession() as client:
        socket = await opened(client, room(server, "kitchen"), {"pace": "file"})
        for block in blocks(pcm(10.0)):
            await socket.send_bytes(block)
        await socket.send_json({"type": "end"})
        return [m for m in await rest(socket) if "event" in m]


def wanted(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"room": "kitchen", **m}
        for m in messages
        if m["event"]["type"] in ("session.start", "utterance.final", "emotion", "session.end")
        and m["event"].get("status") != "partial"
    ]


async def test_events_are_sent_signed_in_order_and_again_until_they_are_taken(config: Config) -> None:
    async with receiver([500, 503, 429]) as (url, got):
        said = await session(config, Webhook(url, SECRET, back_off_s=(0.01,)))
    taken = [json.loads(line) for _, body in got[3:] for line in body.splitlines()]
    assert taken == wanted(said)
    assert events_of(said)[-1]["type"] == "session.end"
    assert got[0][1].splitlines()[0] == got[3][1].splitlines()[0]
    for headers, body in got:
        signed = hmac.new(SECRET, headers["Livemerc-Timestamp"].encode() + b"." + body, hashlib.sha256).hexdigest()
        assert headers["Livemerc-Signature"] == f"sha256={signed}"
        assert SECRET not in body


async def test_whoever_does_not_want_them_is_told_once_and_holds_nobody_up(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    async with receiver([404] * 1000) as (url, _):
        hook = Webhook(url, SECRET, back_off_s=(0.01,))
        said = await session(config, hook)
    assert hook.lost == len(wanted(said))
    assert capsys.readouterr().err.count("events are given up") == 1


async def test_an_address_where_nobody_is_loses_what_waits_at_the_end(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livemerc.server.webhooks._LAST_TRY_S", 0.2)
    hook = Webhook("http://127.0.0.1:9/", SECRET, back_off_s=(0.05,))
    said = await session(config, hook)
    assert hook.lost == len(wanted(said))


def test_what_is_no_address_is_told() -> None:
    async def make() -> None:
        Webhook("ftp://x", SECRET)

    with pytest.raises(ConfigError, match="no address"):
        asyncio.run(make())
