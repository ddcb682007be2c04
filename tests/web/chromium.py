"""A real headless Chromium, driven over the DevTools protocol (its websocket, through aiohttp)."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
GIVE_UP_AFTER_S = 90.0


class Page:
    """One tab. `requests`: the addresses it has asked for, websockets included."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.requests: list[str] = []
        self.errors: list[str] = []
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reading = asyncio.create_task(self._read())

    async def call(self, method: str, **parameters: object) -> dict[str, Any]:
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        return await asyncio.wait_for(answer, GIVE_UP_AFTER_S)

    async def open(self, address: str) -> None:
        for domain in ("Page", "Network", "Runtime", "Log"):
            await self.call(f"{domain}.enable")
        await self.call("Page.navigate", url=address)

    async def evaluate(self, expression: str) -> Any:
        result = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def text(self) -> str:
        """What stands on the page, as a person would select it; no-break spaces are spaces."""
        return (await self.evaluate("document.body ? document.body.innerText : ''")).replace("\xa0", " ")

    async def until(self, *words: str) -> str:
        """Waits until all `words` stand on the page."""
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + GIVE_UP_AFTER_S
        while True:
            text = await self.text()
            if all(word in text for word in words):
                return text
            assert loop.time() < give_up_s, f"{words} not on the page:\n{text}\n{self.errors}"
            await asyncio.sleep(0.2)

    async def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            text = {"text": key} if kind == "keyDown" else {}
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, **text)

    async def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode((await self.call("Page.captureScreenshot"))["data"]))

    async def close(self) -> None:
        self._reading.cancel()
        await self._socket.close()

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type != WSMsgType.TEXT:
                continue
            said = message.json()
            if "id" in said:
                waiting = self._answers.pop(said["id"])
                if not waiting.done():
                    waiting.set_result(said.get("result", {"exceptionDetails": said.get("error")}))
            elif said["method"] == "Network.requestWillBeSent":
                self.requests.append(said["params"]["request"]["url"])
            elif said["method"] == "Network.webSocketCreated":
                self.requests.append(said["params"]["url"])
            elif said["method"] in ("Log.entryAdded", "Runtime.exceptionThrown"):
                self.errors.append(str(said["params"]))


@asynccontextmanager
async def browser(folder: Path, size: tuple[int, int] = (1200, 700)) -> AsyncIterator[Browser]:
    """Chromium with a fresh profile in `folder`; ended with everything it started."""
    assert CHROMIUM is not None
    command = [
        CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--mute-audio",
        f"--window-size={size[0]},{size[1]}", f"--user-data-dir={folder}", "--remote-debugging-port=0", "about:blank",
    ]  # fmt: skip
    with (folder / "chromium.log").open("wb") as log:
        running = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        async with ClientSession() as session:
            yield Browser(session, await _port(folder / "DevToolsActivePort", running))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)  # its own session: no other process
        running.wait()


class Browser:
    def __init__(self, session: ClientSession, port: int) -> None:
        self._session = session
        self._base = f"http://127.0.0.1:{port}"

    @asynccontextmanager
    async def page(self, address: str) -> AsyncIterator[Page]:
        async with self._session.put(f"{self._base}/json/new?about:blank") as answer:
            target = await answer.json()
        page = Page(await self._session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0))
        try:
            await page.open(address)
            yield page
        finally:
            await page.close()
            async with self._session.get(f"{self._base}/json/close/{target['id']}"):
                pass


async def _port(file: Path, running: subprocess.Popen[bytes]) -> int:
    loop = asyncio.get_running_loop()
    give_up_s = loop.time() + GIVE_UP_AFTER_S
    while not file.exists() or not file.read_text().strip():
        assert running.poll() is None, "chromium ended"
        assert loop.time() < give_up_s, "chromium did not start"
        await asyncio.sleep(0.1)
    return int(file.read_text().splitlines()[0])
