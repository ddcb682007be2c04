"""A real headless Chromium, driven over its debugging pipe: no driver, no port.

`python tests/helpers/chromium.py FILE FOLDER` takes pictures of a page: light, dark, a phone's width, and paper as PDF.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
GIVE_UP_AFTER_S = 90.0


def find() -> str | None:
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@dataclass
class Seen:
    """What went on while a page was open. `requests`: the addresses that it asked for, websockets included."""

    requests: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    """What the page's own code said."""
    errors: list[str] = field(default_factory=list)
    """What the browser complained of."""
    dialogs: list[str] = field(default_factory=list)


class Chromium:
    """One tab. `call` sends a command of the DevTools protocol; events are collected in `seen`."""

    def __init__(self, program: str, profile: Path, *flags: str) -> None:
        self.seen = Seen()
        to_browser, to = os.pipe()
        come, from_browser = os.pipe()
        # the browser reads from descriptor 3 and writes to 4
        command = [
            program, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
            "--disable-dev-shm-usage", "--mute-audio", f"--user-data-dir={profile}", "--remote-debugging-pipe",
            *flags, "about:blank",
        ]  # fmt: skip
        # as a shell does it: whatever number the pipes have here, they are 3 and 4 there
        line = f'exec "$@" 3<&{to_browser} 4>&{from_browser}'
        with contextlib.ExitStack() as ends:
            self._to = ends.enter_context(os.fdopen(to, "wb", buffering=0))
            self._from = ends.enter_context(os.fdopen(come, "rb", buffering=0))
            try:
                self._process = subprocess.Popen(
                    ["bash", "-c", line, "bash", *command],
                    pass_fds=(to_browser, from_browser),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            finally:
                os.close(to_browser)
                os.close(from_browser)
            ends.callback(self._kill)
            self._buffer = b""
            self._number = 0
            self._loaded = False
            self._session: str | None = None
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Network", "Log", "Runtime"):
                self.call(f"{domain}.enable")
            self._ends = ends.pop_all()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result. Raises `RuntimeError` for an error of the browser, `EOFError` where it has gone."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        self._to.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return dict(answer["result"])
            self._event(answer)

    def open(self, url: str) -> Seen:
        """Load a page until its load event, and a little longer; returns what was seen meanwhile, and later."""
        self.seen = Seen()
        self._loaded = False
        self.call("Page.navigate", url=url)
        while not self._loaded:
            self._event(self._next())
        self.evaluate("new Promise(done => setTimeout(done, 300))")  # whatever a page would still want to do
        return self.seen

    def evaluate(self, expression: str) -> Any:
        """The debugger's own: the page's policy does not bind it."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def text(self) -> str:
        """What stands on the page, as a person would select it; no-break spaces are spaces."""
        shown: str = self.evaluate("document.body ? document.body.innerText : ''")
        return shown.replace("\xa0", " ")

    def until(self, *words: str) -> str:
        """Waits until all `words` stand on the page."""
        give_up_s = time.monotonic() + GIVE_UP_AFTER_S
        while not all(word in (text := self.text()) for word in words):
            assert time.monotonic() < give_up_s, f"{words} not on the page:\n{text}\n{self.seen}"
            time.sleep(0.2)
        return text

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            text = {"text": key} if kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, **text)

    def view(self, width: int, height: int, *, dark: bool = False, mobile: bool = False) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self, most: int = 12_000) -> bytes:
        """The page as PNG, at most so high: there are limits to a picture."""
        width, height = self.evaluate("[document.documentElement.clientWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": width, "height": min(most, height), "scale": 1}
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(shot["data"])

    def pdf(self) -> bytes:
        return base64.b64decode(
            self.call("Page.printToPDF", preferCSSPageSize=True, paperWidth=8.27, paperHeight=11.69)["data"]
        )

    def close(self) -> None:
        """With everything that it started."""
        self._session = None
        with self._ends, contextlib.suppress(OSError, EOFError, RuntimeError, subprocess.TimeoutExpired):
            self.call("Browser.close")
            self._process.wait(20)

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # its own session: no other process
        self._process.wait()

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select.select([self._from], [], [], GIVE_UP_AFTER_S)[0]:
                raise EOFError("Chromium says nothing any more")
            piece = self._from.read(1 << 20)
            if not piece:
                raise EOFError("Chromium has gone")
            self._buffer += piece
        message, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(message))

    def _event(self, message: dict[str, Any]) -> None:
        what, about = message.get("method"), message.get("params", {})
        if what == "Network.requestWillBeSent":
            self.seen.requests.append(about["request"]["url"])
        elif what == "Network.webSocketCreated":
            self.seen.requests.append(about["url"])
        elif what == "Log.entryAdded":
            self.seen.errors.append(f"{about['entry']['level']}: {about['entry']['text']}")
        elif what == "Runtime.consoleAPICalled":
            self.seen.console.append(f"{about['type']}: {about['args']}")
        elif what == "Runtime.exceptionThrown":
            self.seen.errors.append(f"exception: {about['exceptionDetails']['text']}")
        elif what == "Page.javascriptDialogOpening":
            self.seen.dialogs.append(about["message"])
            raise AssertionError(f"the page opened a dialog: {about['message']}")
        elif what == "Page.loadEventFired":
            self._loaded = True


@contextlib.contextmanager
def running(profile: Path, *flags: str) -> Iterator[Chromium]:
    """A browser with a fresh profile. Raises `FileNotFoundError` where there is none."""
    program = find()
    if program is None:
        raise FileNotFoundError("no Chromium here")
    browser = Chromium(program, profile, *flags)
    try:
        yield browser
    finally:
        browser.close()


def pictures(page: Path, folder: Path) -> None:
    """light.png, dark.png, phone.png and paper.pdf of a page."""
    with (
        tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile,
        running(Path(profile)) as browser,
    ):
        for name, width, dark in (("light", 1000, False), ("dark", 1000, True), ("phone", 390, False)):
            browser.view(width, 900, dark=dark, mobile=name == "phone")
            seen = browser.open(page.resolve().as_uri())
            (folder / f"{page.stem}-{name}.png").write_bytes(browser.picture())
        (folder / f"{page.stem}-paper.pdf").write_bytes(browser.pdf())
        print(page.name, seen, file=sys.stderr)


if __name__ == "__main__":
    began = time.monotonic()
    pictures(Path(sys.argv[1]), Path(sys.argv[2]))
    print(f"{time.monotonic() - began:.1f} s", file=sys.stderr)
