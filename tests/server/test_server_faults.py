"""What a network and a machine do to rooms: cuts at random moments, many at once, and a server that is killed."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from helpers.command_line import environment, running
from helpers.paths import PROJECT
from helpers.served import RATE_HZ, blocks, cut, events_of, is_type, opened, pcm, room, said, served, sessions_in

from livemerc.config import Config
from livemerc.server.app import RoomServer
from livemerc.sessions import journal
from livemerc.sessions.session import read_session


@pytest.fixture(scope="module")
def config(configured: Callable[..., Config]) -> Config:
    return configured(asr__engine="none")


async def cut_often(
    client: ClientSession, server: RoomServer, name: str, pieces: list[bytes], cuts: int, chance: random.Random
) -> list[dict[str, Any]]:
    """All events of a room whose one source is cut off again and again; nothing is read between two cuts but what it
    needs to know."""
    session, at, seq, found = None, 0, 1, list[dict[str, Any]]()
    step = len(pieces) // cuts
    for number in range(cuts + 1):
        hello = {"pace": "file", "from": seq} | ({} if session is None else {"session": session})
        socket = await opened(client, room(server, name), hello)
        welcome = await said(socket, is_type("welcome"))
        session, at = welcome["session"], welcome["samples"] * 10 // RATE_HZ
        if number == cuts:
            break
        until = min(len(pieces), at + chance.randrange(2 * step + 1))
        with suppress(ConnectionError):
            for piece in pieces[at:until]:
                await socket.send_bytes(piece)
            if chance.random() < 0.5:  # somewhere in the middle of what comes back
                message = await said(socket, lambda m: True)
                if "seq" in message and message["seq"] == seq:
                    found.append(message)
                    seq += 1
        cut(socket)
    for piece in pieces[at:]:
        await socket.send_bytes(piece)
    await socket.send_json({"type": "end"})
    async for message in socket:
        told = json.loads(message.data)
        if "seq" in told:
            assert told["seq"] == seq
            seq += 1
            found.append(told)
    return found


async def test_two_hundred_cuts_at_random_moments_lose_nothing(config: Config) -> None:
    chance = random.Random(22)
    pieces = list(blocks(pcm(20.0)))
    async with served(config) as server, ClientSession() as client:
        whole = await cut_often(client, server, "whole", pieces, 1, random.Random(1))
        rooms = await asyncio.gather(
            *(cut_often(client, server, f"cut{n}", pieces, 40, random.Random(chance.random())) for n in range(5))
        )
        async with client.get(f"http://127.0.0.1:{server.port}/metrics") as answer:
            assert "livemerc_dropped_seconds_total 0.0" in await answer.text()
    wanted = [(e["utterance_id"], e["start_s"], e["end_s"], e["text"]) for e in finals(whole)]
    assert wanted
    for found in rooms:
        assert [(e["utterance_id"], e["start_s"], e["end_s"], e["text"]) for e in finals(found)] == wanted
        assert events_of(found)[-1]["duration_s"] == 20.0
        frozen = [e for e in events_of(found) if e["type"] == "emotion" and e["status"] == "frozen"]
        assert sorted(e["utterance_id"] for e in frozen) == sorted(name for name, *_ in wanted)


def finals(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events_of(messages) if event["type"] == "utterance.final"]


async def test_a_source_that_does_not_come_back_ends_its_room(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livemerc.server.rooms.RESUME_WITHIN_S", 0.3)
    async with served(config) as server, ClientSession() as client:
        socket = await opened(client, room(server), {"pace": "file"})
        await said(socket, is_type("welcome"))
        for piece in blocks(pcm(6.0)):
            await socket.send_bytes(piece)
        watching = await client.ws_connect(f"{room(server)}/events")
        await said(watching, is_type("utterance.final"))
        cut(socket)
        end = await said(watching, is_type("session.end"))
        assert end["event"]["duration_s"] == pytest.approx(6.0, abs=2.0)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="this system has no SIGKILL")
async def test_a_server_that_is_killed_leaves_ten_readable_recordings(tmp_path: Path) -> None:
    """Every event that a client has got is in its room's recording: it is written before it is sent."""
    command = [
        sys.executable, "-m", "livemerc", "serve", "--port", "0", "--asr", "none", "--record", str(tmp_path),
        "--record-audio",
    ]  # fmt: skip
    with running(command, text=True, cwd=PROJECT, env=environment()) as process:
        assert process.stdout is not None
        address = (await asyncio.to_thread(process.stdout.readline)).strip()
        async with ClientSession() as client:
            got = await asyncio.gather(*(killed(client, address, number, process.kill) for number in range(10)))
        assert await asyncio.to_thread(process.wait) == -signal.SIGKILL
    folders = {folder.name.split("_")[0]: folder for folder in sessions_in(tmp_path)}
    assert len(folders) == 10
    for number, messages in enumerate(got):
        folder = folders[f"r{number}"]
        kept = journal.read(folder)
        assert kept.damaged <= 1  # the line that was being written
        lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
        recorded = [json.loads(line) for line in lines if line.endswith("}")]
        assert all(event in recorded for event in events_of(messages))
        assert finals(messages)
        assert read_session(folder).info.audio is not None


async def killed(client: ClientSession, address: str, number: int, kill: Callable[[], None]) -> list[dict[str, Any]]:
    socket = await opened(client, f"{address}rooms/r{number}", {})
    found: list[dict[str, Any]] = []

    async def read() -> None:
        async for message in socket:
            found.append(json.loads(message.data))

    reading = asyncio.create_task(read())
    with suppress(ConnectionError):
        for at, piece in enumerate(blocks(pcm(30.0))):
            await socket.send_bytes(piece)
            if at % 10 == 0:
                await asyncio.sleep(0.3)
            if number == 9 and at == 200:
                kill()
    await reading
    return found
