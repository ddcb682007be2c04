"""`watch --web`: who gets in, what is served, what ends when a browser leaves."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from pathlib import Path

import psutil
import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, WSServerHandshakeError
from helpers.sessions import HOSTILE, conversation, write_session

from livemerc.errors import ConfigError, InputError
from livemerc.web import addresses
from livemerc.web import server as room
from livemerc.web.addresses import is_ours
from livemerc.web.server import WatchServer
from livemerc.web.viewer import sane_size


@asynccontextmanager
async def served(path: Path, most_viewers: int = 8, host: str = "127.0.0.1") -> AsyncIterator[WatchServer]:
    server = WatchServer(path, host=host, most_viewers=most_viewers)
    ready = asyncio.Event()
    running = asyncio.create_task(server.run(ready=ready.set))
    try:
        await asyncio.wait_for(ready.wait(), 30)
        yield server
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
def session(tmp_path: Path) -> Path:
    return write_session(tmp_path / "meeting", conversation(5))


def base(server: WatchServer) -> str:
    return f"http://127.0.0.1:{server.port}"


def inside(server: WatchServer) -> str:
    return f"{base(server)}/{server.token}"


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1200):
        if condition():
            return
        await asyncio.sleep(0.05)
    pytest.fail("it did not happen within a minute")


def viewers() -> list[psutil.Process]:
    """Processes that draw for a browser, children of this one."""
    found = []
    for child in psutil.Process().children():
        try:
            if "livemerc.dashboard.viewer" in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


async def drawn(connection: ClientWebSocketResponse, word: bytes) -> bytes:
    """What came until `word` was drawn."""
    shown = b""
    while word not in shown:
        message = await asyncio.wait_for(connection.receive(), 60)
        assert message.type == WSMsgType.BINARY, message
        shown += message.data
    return shown


@pytest.mark.parametrize(
    "path", ["/", "/{wrong}/", "/{wrong}/static/page.mjs", "/static/page.mjs", "/ws", "/{wrong}/ws"]
)
async def test_without_the_token_nothing_is_served(session: Path, path: str) -> None:
    async with served(session) as server, ClientSession() as client:
        for wrong in ("x" * len(server.token), server.token[:-1], server.token + "x", server.token.upper(), "%00", "é"):
            async with client.get(base(server) + path.replace("{wrong}", wrong), allow_redirects=False) as answer:
                assert answer.status == 403
                assert server.token not in await answer.text()


async def test_the_token_is_another_one_every_time_and_not_to_be_guessed(session: Path) -> None:
    tokens = {WatchServer(session).token for _ in range(50)}
    assert len(tokens) == 50
    assert all(len(token) >= 32 for token in tokens)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "10.0.0.1", "[", ""])
async def test_a_foreign_host_name_is_refused_even_with_the_token(session: Path, host: str) -> None:
    async with served(session) as server, ClientSession() as client:
        headers = {"Host": host.replace("{port}", str(server.port))}
        async with client.get(f"{inside(server)}/", headers=headers) as answer:
            assert answer.status in (400, 403)


@pytest.mark.parametrize("host", ["localhost:{port}", "127.0.0.1:{port}", "[::1]:{port}", "localhost:9000"])
async def test_this_machines_own_names_are_served(session: Path, host: str) -> None:
    async with served(session) as server, ClientSession() as client:
        headers = {"Host": host.replace("{port}", str(server.port))}
        async with client.get(f"{inside(server)}/", headers=headers) as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    "origin",
    [None, "null", "http://evil.example", "http://localhost:{port}", "http://127.0.0.1:1", "https://127.0.0.1"],
)
async def test_the_websocket_is_for_this_servers_page_alone(session: Path, origin: str | None) -> None:
    async with served(session) as server, ClientSession() as client:
        headers = {} if origin is None else {"Origin": origin.replace("{port}", str(server.port))}
        with pytest.raises(WSServerHandshakeError) as refused:
            await client.ws_connect(f"{inside(server)}/ws", headers=headers)
        assert refused.value.status == 403
        assert not viewers()


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inline = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.found += [value for name in ("src", "href", "action", "data") if (value := given.get(name))]
        self.inline = self.inline or (tag == "script" and "src" not in given) or any(n.startswith("on") for n in given)


async def test_the_page_asks_nothing_of_anybody_else(session: Path) -> None:
    async with served(session) as server, ClientSession() as client:
        async with client.get(f"{inside(server)}/") as answer:
            page, headers = await answer.text(), answer.headers
        links = Links()
        links.feed(page)
        assert not links.inline
        assert "livemerc: meeting" in page
        local = [link for link in links.found if link != "data:,"]
        assert len(local) == 3
        for link in [*local, *(f"static/{name}" for name in room._FILES)]:
            async with client.get(f"{inside(server)}/{link}") as answer:
                assert answer.status == 200
                text = await answer.text()
                assert not re.search(r"@import|url\(\s*['\"]?(https?:)?//|(src|href)=['\"](https?:)?//", text)
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "http" not in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        for other in ("static/", "static/../server.py", "static/page.html", "download/x", "static/xterm/xterm.mjs"):
            async with client.get(f"{inside(server)}/{other}") as answer:
                assert answer.status in (403, 404)


async def test_a_folders_name_is_no_markup(tmp_path: Path) -> None:
    path = write_session(tmp_path / "<script>alert(1)<", conversation(1))
    async with served(path) as server, ClientSession() as client, client.get(f"{inside(server)}/") as answer:
        assert "<script>alert" not in await answer.text()


async def test_every_browser_has_a_viewer_which_ends_with_it(tmp_path: Path) -> None:
    path = write_session(tmp_path / "meeting", conversation(5, text=HOSTILE))
    async with served(path, most_viewers=2) as server, ClientSession() as client:
        origin = {"Origin": base(server)}
        first = await client.ws_connect(f"{inside(server)}/ws?width=100&height=30", headers=origin)
        second = await client.ws_connect(f"{inside(server)}/ws?width=80&height=24", headers=origin)
        for shown in await asyncio.gather(*(drawn(connection, b"-->") for connection in (first, second))):
            assert b"\x1b[31mred" not in shown
            assert "␛[31mred".encode() in shown
        assert len(viewers()) == 2
        said = asyncio.create_task(last_words(second))  # who does not read answers no ping, and is let go
        third = await client.ws_connect(f"{inside(server)}/ws", headers=origin)
        assert "that is the most" in (await third.receive_json())[1]
        assert (await third.receive()).type == WSMsgType.CLOSE
        await first.close()
        await until(lambda: len(viewers()) == 1)
        await second.send_json(["resize", {"width": 10**9, "height": -5}])  # the screen stays one
        await second.send_json(["stdin", "q"])
        assert "session goes on" in (await said)
        await until(lambda: not viewers())


async def last_words(connection: ClientWebSocketResponse) -> str:
    while True:
        message = await asyncio.wait_for(connection.receive(), 60)
        if message.type == WSMsgType.TEXT:
            return message.json()[1]
        assert message.type == WSMsgType.BINARY


@pytest.mark.parametrize(
    "words", ["no json", '{"stdin": 1}', '["stdin", 5]', '["resize", {"width": "wide"}]', "[]", "[[]]"]
)
async def test_what_no_page_of_ours_sends_does_no_harm(session: Path, words: str) -> None:
    async with served(session) as server, ClientSession() as client:
        connection = await client.ws_connect(f"{inside(server)}/ws", headers={"Origin": base(server)})
        await connection.send_str(words)
        await connection.close()
        await until(lambda: not viewers())
        async with client.get(f"{inside(server)}/") as answer:
            assert answer.status == 200


async def test_the_servers_end_ends_all_viewers(session: Path) -> None:
    async with ClientSession() as client:
        async with served(session) as server:
            connection = await client.ws_connect(f"{inside(server)}/ws", headers={"Origin": base(server)})
            await drawn(connection, b"words")
            assert viewers()
        await until(lambda: not viewers())


async def test_a_viewer_whose_server_was_killed_leaves_by_itself(session: Path) -> None:
    async with served(session) as server, ClientSession() as client:
        connection = await client.ws_connect(f"{inside(server)}/ws", headers={"Origin": base(server)})
        await drawn(connection, b"words")
        viewer, process = next(iter(server._open)), viewers()[0]
        assert viewer._stdin is not None
        viewer._stdin.close()  # as the system does with a dead server's pipes
        await until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
        await connection.close()


def test_a_screen_has_a_size_that_screens_have() -> None:
    assert sane_size(10**9, -1) == (500, 6)
    assert sane_size(120, 40) == (120, 40)


async def test_a_port_that_is_taken_is_said(session: Path) -> None:
    async with served(session) as server:
        with pytest.raises(ConfigError, match="give another --port"):
            await WatchServer(session, port=server.port).run()


def test_the_door_of_an_open_server_wants_an_address_or_the_machines_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses.socket, "gethostname", lambda: "Desk")
    for header in ("192.168.1.5:80", "desk", "DESK:8000", "localhost", "[fe80::1]:80"):
        assert is_ours(header, "0.0.0.0"), header
    for header in ("evil.example", "desk.evil.example", "", "[", "192.168.1.5.evil.example"):
        assert not is_ours(header, "0.0.0.0"), header
    assert not is_ours("192.168.1.5", "127.0.0.1")


async def test_an_open_server_warns(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with served(session, host="0.0.0.0"):
        pass
    assert "not encrypted" in capsys.readouterr().err


def test_a_folder_of_other_sessions_is_refused_before_anything_is_served(tmp_path: Path, session: Path) -> None:
    from livemerc.runtime import process

    with process.StopOnSignal() as signals, pytest.raises(InputError, match="name one"):
        room.serve(tmp_path, signals, host="127.0.0.1", port=0)
