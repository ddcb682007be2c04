"""The clients: sync and async, `run --to` and `watch`, cuts, and what they say of a server that does not want them."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from helpers.command_line import environment, livemerc, running, sentence
from helpers.paths import DEMO, PROJECT
from helpers.scripted_parts import no_thread_stays
from helpers.served import RATE_HZ, blocks, pcm, room, served, serving
from helpers.settled import settled, settled_lines
from helpers.sources import Samples

from livemerc import client
from livemerc.config import Config
from livemerc.errors import ConfigError, LivemercError
from livemerc.events import SessionEnd, SessionStart
from livemerc.remote import RemoteMonitor
from livemerc.server.app import Address, RoomServer
from livemerc.server.room import MovedError

TOKEN = "0123456789abcdef"


@pytest.fixture(scope="module")
def config(configured: Callable[..., Config]) -> Config:
    return configured(asr__engine="none")


async def test_what_is_spoken_is_seen_by_whoever_watches(config: Config) -> None:
    async with served(config) as server:
        url = room(server)
        watching = asyncio.create_task(collect(url))
        spoken = await asyncio.to_thread(lambda: list(client.speak(url, blocks(pcm(15.0)), RATE_HZ, pace="file")))
        assert await watching == spoken
        assert await asyncio.to_thread(lambda: list(client.watch(url, from_seq=4))) == spoken[3:]
    assert isinstance(spoken[0].event, SessionStart)
    assert isinstance(spoken[-1].event, SessionEnd)
    assert spoken[-1].event.duration_s == 15.0
    no_thread_stays()


async def collect(url: str) -> list[client.Numbered]:
    return [numbered async for numbered in client.watch_async(url)]


async def test_whoever_leaves_early_leaves_no_thread(config: Config) -> None:
    async with served(config) as server:

        def leave() -> None:
            with client.speak(room(server), blocks(pcm(15.0)), RATE_HZ, pace="file") as spoken:
                assert isinstance(next(spoken).event, SessionStart)
            with client.watch(room(server, "nobody")):
                pass

        await asyncio.to_thread(leave)
    no_thread_stays()


class Cutting:
    """A proxy in front of a server that cuts every connection after so many bytes of audio, again and again."""

    def __init__(self, port: int, every: int) -> None:
        self._port, self._every = port, every
        self.cuts = 0

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._port)

        async def up() -> None:
            left = self._every
            while left > 0 and (data := await reader.read(1 << 14)):
                to_writer.write(data)
                await to_writer.drain()
                left -= len(data)
            if left <= 0:
                self.cuts += 1

        async def down() -> None:
            while data := await to_reader.read(1 << 14):
                writer.write(data)
                await writer.drain()

        tasks = [asyncio.create_task(up()), asyncio.create_task(down())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in tasks:
                one.cancel()
            await asyncio.wait(tasks)
            for one in tasks:
                if not one.cancelled():
                    one.exception()
            for end in (writer, to_writer):
                end.transport.abort()


async def test_cuts_lose_nothing_and_change_nothing(config: Config) -> None:
    async with served(config) as server:
        whole = await asyncio.to_thread(
            lambda: list(client.speak(room(server), blocks(pcm(20.0)), RATE_HZ, pace="file"))
        )
        proxy = Cutting(server.port, 120_000)
        between = await asyncio.start_server(proxy.carry, "127.0.0.1", 0)
        port = between.sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}/rooms/cut"
        cut = await asyncio.to_thread(lambda: list(client.speak(url, blocks(pcm(20.0)), RATE_HZ, pace="file")))
        between.close()
        await between.wait_closed()
    assert proxy.cuts >= 4
    assert [n.seq for n in cut] == list(range(1, len(cut) + 1))
    assert settled(n.event for n in cut) == settled(n.event for n in whole)
    assert cut[-1].event == whole[-1].event


async def test_lost_samples_are_counted_by_the_server(config: Config) -> None:
    data = pcm(12.0)

    def given() -> Iterator[client.Audio]:
        yield from blocks(data[: 2 * 6 * RATE_HZ])
        yield 3 * RATE_HZ
        yield from blocks(data[2 * 9 * RATE_HZ :])

    async with served(config) as server:
        found = await asyncio.to_thread(lambda: list(client.speak(room(server), given(), RATE_HZ, pace="file")))
    assert isinstance(end := found[-1].event, SessionEnd)
    assert end.dropped_s == pytest.approx(3.0)
    assert end.duration_s == pytest.approx(12.0)


async def test_what_a_source_fails_of_is_raised_after_what_came_before(config: Config) -> None:
    async with served(config) as server:
        monitor = RemoteMonitor(Samples(12.0, fail=True), config, room(server))
        seen = []

        def run() -> None:
            for event in monitor.events():
                seen.append(event)

        with pytest.raises(LivemercError, match="the cable was cut"):
            await asyncio.to_thread(run)
    assert isinstance(seen[-1], SessionEnd)
    assert seen[-1].duration_s == pytest.approx(12.0)


async def test_a_token_is_asked_for_and_told(config: Config) -> None:
    async with served(config, address=Address(port=0, token=TOKEN)) as server:
        for wrong in (None, "fedcba9876543210"):
            with pytest.raises(ConfigError, match="token is wrong or missing"):
                await asyncio.to_thread(lambda wrong=wrong: list(client.watch(room(server), token=wrong)))
        url = f"{room(server)}#{TOKEN}"
        assert await asyncio.to_thread(lambda: list(client.speak(url, blocks(pcm(1.0)), RATE_HZ, pace="file")))


def test_an_address_that_is_none_is_told_and_one_without_a_server_too() -> None:
    for wrong in ("ftp://x/rooms/a", "http://", "http://h:1:2/", "http://h/rooms/a/b", "http://h/rooms/..", "h:8765"):
        with pytest.raises(ConfigError, match=r"no address"):
            client.watch(wrong).__next__()
    with pytest.raises(LivemercError, match="cannot be reached"):
        client.watch("http://127.0.0.1:9/rooms/a").__next__()


async def test_a_refusal_is_the_servers_own_sentence(config: Config) -> None:
    def both() -> None:
        with client.speak(room(server), blocks(pcm(20.0)), RATE_HZ, purpose="work", pace="file") as work:
            next(work)
            list(client.speak(room(server), blocks(pcm(1.0)), RATE_HZ, purpose="care", pace="file"))

    async with served(config) as server:
        with pytest.raises(LivemercError, match="opened with purpose work"):
            await asyncio.to_thread(both)


async def test_a_server_that_says_what_nobody_knows_is_not_the_clients_end() -> None:
    async def odd(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str('{"type":"welcome","session":"x","samples":0,"news":1}')
        await socket.send_bytes(b"?")
        await socket.send_str("?")
        await socket.send_str('{"type":"weather"}')
        end = '{"type":"session.end","duration_s":1.0,"utterances":0,"dropped_s":0.0,"overruns":0}'
        await socket.send_str(f'{{"seq":1,"event":{end}}}')
        await socket.receive()
        return socket

    app = web.Application()
    app.add_routes([web.get("/rooms/{room}/events", odd)])
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        found = await collect(f"http://127.0.0.1:{runner.addresses[0][1]}/rooms/a")
    finally:
        await runner.cleanup()
    assert [n.seq for n in found] == [1]


# -- as commands -----------------------------------------------------------------------------------------------------


def test_a_thin_machine_listens_and_another_judges(tmp_path: Path) -> None:
    with serving() as address:
        url = f"{address}rooms/kitchen"
        with running(
            [sys.executable, "-m", "livemerc", "watch", url, "--json"], cwd=PROJECT, env=environment()
        ) as watcher:
            seen: list[bytes] = []
            assert watcher.stdout is not None
            reading = threading.Thread(target=lambda out=watcher.stdout: seen.extend(out))
            reading.start()
            there = livemerc("run", "--file", DEMO, "--speed", "0", "--json", "--to", url)
            assert there.returncode == 0, there.stderr
            assert watcher.wait(60) == 0
            reading.join()
    here = livemerc("run", "--file", DEMO, "--speed", "0", "--json")
    lines = [[json.loads(line) for line in out.splitlines()] for out in (there.stdout, here.stdout, b"".join(seen))]
    assert lines[2] == lines[0]
    labels = [
        [(e["text"] if "text" in e else (e["utterance_id"], e["status"], e["label"])) for e in settled_lines(x)]
        for x in lines[:2]
    ]
    assert labels[0] == labels[1]
    assert len(labels[0]) > 60


@pytest.mark.skipif(
    shutil.which("openssl") is None,
    reason="no openssl on this machine to make a certificate with (apt install openssl)",
)
def test_what_is_encrypted_is_reached_by_whoever_trusts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = (
        f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {key} -out {cert} -days 2 -subj /CN=localhost "
        "-addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run(command.split(), check=True, capture_output=True, timeout=60)
    with serving("--asr", "none", "--tls-cert", cert, "--tls-key", key) as address:
        assert address.startswith("https://")
        url = f"{address}rooms/one"
        with pytest.raises(LivemercError, match=r"cannot be reached.*certificate"):
            list(client.speak(url, blocks(pcm(1.0)), RATE_HZ))
        env = environment() | {"SSL_CERT_FILE": str(cert)}
        done = livemerc("run", "--file", DEMO, "--speed", "0", "--json", "--to", url, env=env)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["type"] == "session.end"


def test_thin_clients_load_no_torch() -> None:
    code = (
        "import sys\nfrom livemerc import client, remote, protocol\nfrom livemerc.console import show\n"
        "from livemerc.audio import file_source\n"
        "assert not {'torch', 'faster_whisper', 'textual'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PROJECT, env=environment(), timeout=60)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("serve", "--host", "0.0.0.0"), "a token is needed"),
        (("serve", "--host", "0.0.0.0", "--token", TOKEN), "--without-tls"),
        (("serve", "--token", "short"), "at least 16"),
        (("serve", "--token", "@/nowhere/at/all"), "cannot be read"),
        (("serve", "--tls-key", "key.pem"), "goes with --tls-cert"),
        (("serve", "--rooms", "0"), "at least one room"),
        (("serve", "--port", "70000"), "1 to 65535"),
        (("serve", "--record-audio"), "goes with --record"),
        (("run", "--demo", "--to", "http://h/rooms/a", "--model", "base"), "server's affair"),
        (("run", "--demo", "--token", TOKEN), "goes with --to"),
        (("run", "--demo", "--to", "nowhere"), "no address of a room"),
        (("watch", "http://127.0.0.1:9/rooms/a", "--web"), "page of its own"),
        (("watch", "folder", "--token", TOKEN), "goes with the address"),
    ],
)
def test_what_makes_no_sense_is_told(arguments: tuple[str, ...], words: str) -> None:
    done = livemerc(*arguments)
    assert done.returncode == 2
    assert words in sentence(done)


def refusing(monkeypatch: pytest.MonkeyPatch, server: RoomServer, status: int, times: int) -> None:
    """The server, or what stands in front of it, answers so many handshakes with `status`."""
    left, real = [times], server.door.refusal

    def refusal(request: web.Request) -> tuple[int, str] | None:
        if request.path.startswith("/rooms") and left[0]:
            left[0] -= 1
            return status, "Internal Server Error\n"
        return real(request)

    monkeypatch.setattr(server.door, "refusal", refusal)


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_a_busy_server_is_asked_again_by_whoever_speaks_and_whoever_reads(
    config: Config, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    async with served(config) as server:
        drawn, real = list[float](), random.uniform
        monkeypatch.setattr("livemerc.client.random.uniform", lambda a, b: drawn.append(real(a, b)) or drawn[-1])
        refusing(monkeypatch, server, status, 4)
        reading = asyncio.create_task(collect(room(server)))
        spoken = [n async for n in client.speak_async(room(server), blocks(pcm(3.0)), RATE_HZ, pace="file")]
        assert await reading == spoken
    assert isinstance(spoken[-1].event, SessionEnd)
    assert len(drawn) == 4
    assert len(set(drawn)) == 4, "all who were refused at once would come again at once"


async def test_a_server_that_stays_busy_is_given_up_with_a_sentence(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livemerc.client.RESUME_WITHIN_S", 0.2)
    async with served(config) as server:
        refusing(monkeypatch, server, 500, 1000)
        with pytest.raises(LivemercError, match=r"the server is busy \(HTTP 500\); come back later"):
            [n async for n in client.speak_async(room(server), blocks(pcm(1.0)), RATE_HZ)]
        with pytest.raises(LivemercError, match="the server is busy"):
            await collect(room(server))


async def test_a_server_that_says_come_again_before_it_welcomes_is_asked_again(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1012: the room is on its way from one server to another."""
    async with served(config) as server:
        left, real = [2], server.rooms.join

        async def join(*arguments: Any) -> Any:
            if left[0]:
                left[0] -= 1
                raise MovedError
            return await real(*arguments)

        monkeypatch.setattr(server.rooms, "join", join)
        spoken = [n async for n in client.speak_async(room(server), blocks(pcm(1.0)), RATE_HZ, pace="file")]
    assert isinstance(spoken[-1].event, SessionEnd)
    assert left == [0]
