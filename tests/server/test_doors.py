"""Who gets in, and what hostile clients cost: tokens, origins, names, sizes, floods, connections, readers."""

from __future__ import annotations

import asyncio
import json
import random
import socket as sockets
from collections.abc import Callable
from contextlib import suppress

import pytest
from aiohttp import ClientSession, TCPConnector, WSMsgType, WSServerHandshakeError
from helpers.served import RATE_HZ, blocks, cut, events_of, is_type, opened, pcm, rest, room, said, served

from livemerc.config import Config
from livemerc.events import UtterancePartial
from livemerc.server.app import Address, RoomServer
from livemerc.server.limits import Limits

TOKEN = "a-token-of-sixteen-letters-or-more"
PATHS = ("/metrics", "/about", "/rooms/one/events", "/rooms/one/audio?rate=16000")


@pytest.fixture(scope="module")
def config(configured: Callable[..., Config]) -> Config:
    return configured(asr__engine="none")


def base(server: RoomServer) -> str:
    return f"http://127.0.0.1:{server.port}"


@pytest.mark.parametrize("wrong", ["", "x", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "é", "\x00"])
async def test_without_the_token_nothing_of_anybody_is_told(config: Config, wrong: str) -> None:
    async with served(config, address=Address(port=0, token=TOKEN)) as server, ClientSession() as client:
        for path in PATHS:
            async with client.get(base(server) + path, params={"token": wrong}) as answer:
                assert answer.status == 401
                assert TOKEN not in await answer.text()
        for path in ("/rooms/one/events", "/rooms/one/audio"):
            with pytest.raises(WSServerHandshakeError) as refused:
                await client.ws_connect(base(server) + path, params={"token": wrong, "rate": "16000"})
            assert refused.value.status == 401
        for path in ("/", "/health"):
            async with client.get(base(server) + path) as answer:
                assert answer.status == 200
                assert TOKEN not in await answer.text()
        async with client.get(f"{base(server)}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
            assert answer.status == 200
        assert server.url == f"{base(server)}/#{TOKEN}"


@pytest.mark.parametrize("origin", ["null", "http://evil.example", "http://localhost:{port}", "http://127.0.0.1:1"])
async def test_another_sites_page_gets_nothing(config: Config, origin: str) -> None:
    async with served(config) as server, ClientSession() as client:
        headers = {"Origin": origin.replace("{port}", str(server.port))}
        for path in ("/", "/health", *PATHS):
            async with client.get(base(server) + path, headers=headers) as answer:
                assert answer.status == 403
        with pytest.raises(WSServerHandshakeError) as refused:
            await client.ws_connect(f"{room(server)}/audio?rate=16000", headers=headers)
        assert refused.value.status == 403
        own = await client.ws_connect(f"{room(server)}/audio?rate=16000", headers={"Origin": base(server)})
        await own.close()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example"])
async def test_a_name_that_a_stranger_points_here_is_refused(config: Config, host: str) -> None:
    async with served(config) as server, ClientSession() as client:
        headers = {"Host": host.replace("{port}", str(server.port))}
        async with client.get(f"{base(server)}/rooms/one/events", headers=headers) as answer:
            assert answer.status == 403


TRICKS = (
    "..", ".", "%2e%2e", "..%2f..%2fetc", "a%2fb", "a%00b", "a%0ab", "%c0%ae", "-a", "a-", "a b", "é", "a" * 65, "a.b",
    "~", "%2e%2e%2fmeeting", "con%5c..",
)  # fmt: skip


@pytest.mark.parametrize("name", TRICKS)
async def test_a_room_is_no_path(config: Config, name: str, tmp_path) -> None:
    async with served(config, record=tmp_path / "kept") as server:
        for what in ("audio?rate=16000", "events"):
            answer = await raw(server, f"GET /rooms/{name}/{what} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            assert answer.split(b" ")[1] in (b"400", b"403", b"404", b"426"), answer
        assert list(tmp_path.rglob("*")) == []


async def raw(server: RoomServer, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request)
    answer = await asyncio.wait_for(reader.readline(), 30)
    writer.close()
    await writer.wait_closed()
    return answer


async def test_files_of_the_page_are_all_that_is_served(config: Config) -> None:
    async with served(config) as server:
        for name in ("..%2fapp.py", "../app.py", "app.py", "%2e%2e/app.py", "page.html/..", ""):
            answer = await raw(server, f"GET /static/{name} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            assert answer.split(b" ")[1] in (b"404", b"400"), name


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("[]", "no hello"),
        ("", "no hello"),
        ('{"pace":"fast"}', "no hello"),
        ('{"speaker":""}', "no hello"),
        ('{"speaker":"' + "x" * 65 + '"}', "no hello"),
        ('{"volume":11}', "no hello"),
        ('{"purpose":"policing"}', "no hello"),
        ('{"from":0}', "no hello"),
        ('{"session":"of somebody else"}', "not known here"),
        ("[" * 100_000, "no hello"),
        (b"\x00\x01", "the first message is a hello"),
    ],
)
async def test_a_hello_that_is_none_is_told_and_ends_the_connection(
    config: Config, message: str | bytes, words: str
) -> None:
    async with served(config) as server, ClientSession() as client:
        socket = await client.ws_connect(f"{room(server)}/audio?rate=16000")
        await (socket.send_str(message) if isinstance(message, str) else socket.send_bytes(message))
        (told,) = await rest(socket)
        assert words in told["error"]
        assert socket.close_code == 1008
        assert not server.rooms.running


@pytest.mark.parametrize("rate", ["", "x", "0", "-1", "1e5", "999999999", "16000.5", "٣"])
async def test_a_rate_that_is_none_is_told(config: Config, rate: str) -> None:
    async with served(config) as server, ClientSession() as client:
        with pytest.raises(WSServerHandshakeError) as refused:
            await client.ws_connect(f"{room(server)}/audio", params={"rate": rate})
        assert refused.value.status == 400


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"\x00", 1008),
        (b"\x00" * (2 * RATE_HZ + 2), 1008),
        (b"\x00" * (1 << 21), 1009),
        ("?", 1008),
        ('{"type":"end","more":[', 1008),
        ('{"type":"skip","samples":-1}', 1008),
        ('{"type":"skip","samples":9007199254740991}', 1008),
    ],
)
async def test_a_message_that_is_none_ends_its_own_session_alone(
    config: Config, message: str | bytes, code: int
) -> None:
    async with served(config) as server, ClientSession() as client:
        other = await opened(client, room(server, "other"), {"pace": "file"})
        socket = await opened(client, room(server), {"pace": "file"})
        await said(socket, is_type("welcome"))
        await (socket.send_str(message) if isinstance(message, str) else socket.send_bytes(message))
        await rest(socket)
        assert socket.close_code == code
        for block in blocks(pcm(5.0)):
            await other.send_bytes(block)
        await other.send_json({"type": "end"})
        assert events_of(await rest(other))[-1]["duration_s"] == 5.0


async def test_a_thousand_connections_are_too_many_and_cost_nobody_his_room(config: Config) -> None:
    limits = Limits(connections=50)
    async with served(config, limits) as server, ClientSession(connector=TCPConnector(limit=0)) as client:
        mine = await opened(client, room(server, "mine"), {"pace": "file"})
        await said(mine, is_type("welcome"))

        async def come(number: int):
            try:
                return await client.ws_connect(f"{room(server, f'r{number}')}/events")
            except (WSServerHandshakeError, OSError) as error:
                return error

        came = [await asyncio.gather(*(come(at + n) for n in range(100))) for at in range(0, 1000, 100)]
        everybody = [one for some in came for one in some]
        refused = [one for one in everybody if isinstance(one, WSServerHandshakeError)]
        assert {one.status for one in refused} == {503}
        assert len(everybody) - len(refused) == 49
        for block in blocks(pcm(5.0)):
            await mine.send_bytes(block)
        await mine.send_json({"type": "end"})
        assert events_of(await rest(mine))[-1]["dropped_s"] == 0.0
        await asyncio.gather(*(one.close() for one in everybody if one not in refused))
        late = await client.ws_connect(f"{room(server, 'mine')}/events")  # there is room again
        assert events_of(await rest(late))[-1]["type"] == "session.end"


async def test_a_reader_that_stops_reading_loses_its_connection_and_the_room_goes_on(config: Config) -> None:
    limits = Limits(send_within_s=0.5)
    async with served(config, limits) as server, ClientSession() as client:
        source = await opened(client, room(server), {"pace": "file"})
        await said(source, is_type("welcome"))
        lazy = sockets.socket()
        lazy.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        lazy.connect(("127.0.0.1", server.port))
        lazy.sendall(b"GET /rooms/one/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        taking = asyncio.create_task(rest(source))
        (running,) = server.rooms.running
        for _ in range(600):
            if len(running.readers) == 2:
                break
            await asyncio.sleep(0.05)
        line = b'{"type":"utterance.partial","utterance_id":"u1","start_s":0.0,"text":"' + b"x" * 60_000 + b'"}'
        partial = UtterancePartial(utterance_id="u1", start_s=0.0, text="x")
        for _ in range(200):
            running.publish(partial, line)
            await asyncio.sleep(0)
        for _ in range(600):
            if len(running.readers) == 1:
                break
            await asyncio.sleep(0.05)
        assert len(running.readers) == 1  # the source's own
        for block in blocks(pcm(5.0)):
            await source.send_bytes(block)
        await source.send_json({"type": "end"})
        assert events_of(await taking)[-1]["type"] == "session.end"
        lazy.close()


async def test_a_source_that_floods_is_read_no_faster_than_it_is_spoken(config: Config) -> None:
    """The flood may be as far ahead as after a cut; whoever else speaks loses nothing."""
    limits = Limits(ahead_s=5.0)
    async with served(config, limits) as server, ClientSession() as client:
        flood = await opened(client, room(server, "flood"), {})
        await said(flood, is_type("welcome"))

        async def pour() -> None:
            block = pcm(1.0)
            while True:
                await flood.send_bytes(block)

        pouring = asyncio.create_task(pour())
        taking = asyncio.create_task(rest(flood))
        calm = await opened(client, room(server, "calm"), {"pace": "file"})
        for block in blocks(pcm(10.0)):
            await calm.send_bytes(block)
        await calm.send_json({"type": "end"})
        found = events_of(await rest(calm))
        assert found[-1]["dropped_s"] == 0.0
        finals = [e for e in found if e["type"] == "utterance.final"]
        assert finals
        assert {e["asr"]["gated"] for e in finals} == {None}
        (running,) = server.rooms.running
        taken_s = running.source.t_s
        assert taken_s < 60.0
        pouring.cancel()
        cut(flood)
        await asyncio.gather(pouring, taking, return_exceptions=True)


async def test_ten_thousand_mutated_messages_hurt_nobody_else(config: Config, caplog: pytest.LogCaptureFixture) -> None:
    """Frames and hellos, each a valid one with some bytes changed, cut or repeated."""
    chance = random.Random(22)
    hello = json.dumps({"speaker": "ann", "pace": "file", "purpose": "care", "language": "en", "from": 1})
    sent = 0
    async with served(config, Limits(rooms=4)) as server, ClientSession() as client:
        other = await opened(client, room(server, "other"), {"pace": "file"})
        await said(other, is_type("welcome"))
        while sent < 10_000:
            socket = await client.ws_connect(f"{room(server, f'r{sent}')}/audio?rate=16000")
            reading = asyncio.create_task(rest(socket))
            try:
                await socket.send_str(mutated(hello, chance) if chance.random() < 0.3 else '{"pace":"file"}')
                for _ in range(200):
                    if socket.closed:
                        break
                    sent += 1
                    if chance.random() < 0.9:
                        await socket.send_bytes(chance.randbytes(2 * chance.randrange(1, 400)))
                    elif chance.random() < 0.5:
                        await socket.send_bytes(chance.randbytes(chance.randrange(0, 99)))
                    else:
                        await socket.send_str(mutated('{"type":"skip","samples":160}', chance))
            except (ConnectionError, RuntimeError):
                pass  # the server has had enough of it
            sent += 1
            await socket.close()
            await reading
            for running in server.rooms.running:  # its room would wait for it to come back
                if running.name != "other":
                    for speaker in list(running.speakers.values()):
                        server.rooms.leave(running, speaker)
        for block in blocks(pcm(5.0)):
            await other.send_bytes(block)
        await other.send_json({"type": "end"})
        assert events_of(await rest(other))[-1]["dropped_s"] == 0.0
    assert caplog.records == []  # no handler has died


def mutated(text: str, chance: random.Random) -> str:
    letters = list(text)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(letters))
        kind = chance.randrange(3)
        if kind == 0:
            letters[at] = chr(chance.randrange(32, 0x3000))
        elif kind == 1:
            del letters[at:]
            letters.append(" ")
        else:
            letters[at:at] = letters[: chance.randrange(len(letters))]
    return "".join(letters)


async def test_whoever_never_says_hello_is_sent_away(config: Config) -> None:
    async with served(config, Limits(hello_within_s=0.2)) as server, ClientSession() as client:
        socket = await client.ws_connect(f"{room(server)}/audio?rate=16000")
        (told,) = await rest(socket)
        assert "no hello came in time" in told["error"]
        message = await socket.receive()
        assert message.type is WSMsgType.CLOSED


async def test_half_a_request_is_not_waited_for_without_end(config: Config) -> None:
    async with served(config, Limits(idle_s=0.2)) as server, ClientSession() as client:
        mine = await opened(client, room(server), {"pace": "file"})
        await said(mine, is_type("welcome"))
        for begun in (b"", b"GET /rooms/one/au"):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(begun)
            with suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 60) == b""
            writer.transport.abort()
        await mine.send_json({"type": "end"})
        assert events_of(await rest(mine))[-1]["type"] == "session.end"


async def test_a_late_reader_gets_what_lasts_and_the_newest_of_what_does_not(config: Config) -> None:
    async with served(config, Limits(log_events=30)) as server, ClientSession() as client:
        socket = await opened(client, room(server), {"pace": "file"})
        for block in blocks(pcm(70.0)):
            await socket.send_bytes(block)
        await socket.send_json({"type": "end"})
        found = [m for m in await rest(socket) if "seq" in m]
        (kept,) = server.rooms.rooms.values()
        assert len(kept.lasting) == 30
        assert kept.gone > 1
        kept.recent.clear()  # as if a thousand statuses had come since
        late = await client.ws_connect(f"{room(server)}/events")
        lasting = [m for m in found if m["event"]["type"] != "status" and m["event"].get("status") != "partial"]
        assert await rest(late) == [lasting[0], *lasting[-29:]]
