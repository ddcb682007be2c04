"""One browser's viewer: `textual_serve`'s service of one process, which ends with its browser whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable
from pathlib import Path

from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

_READY = b"__GANGLION__\n"
_SMALLEST = (20, 6)
_LARGEST = (500, 200)
_END_WITHIN_S = 1.5
_TOLD_BYTES = 4096


def sane_size(width: int, height: int) -> tuple[int, int]:
    """A size in cells that a screen can have, because a browser may ask for a billion."""
    return (
        max(_SMALLEST[0], min(_LARGEST[0], width)),
        max(_SMALLEST[1], min(_LARGEST[1], height)),
    )


class Viewer(AppService):
    """`livemerc.dashboard.viewer` on `path`, drawn to `write_bytes`.

    It differs from its base: the command does not go through a shell, the process is in a session of its own (Ctrl+C is
    for the server), it may neither open addresses nor send files, and `stop` leaves nothing running. ended: awaited
    once with a sentence when the process has ended by itself.
    """

    def __init__(
        self,
        path: Path,
        *,
        write_bytes: Callable[[bytes], Awaitable[None]],
        ended: Callable[[str], Awaitable[None]],
    ) -> None:
        async def unused(*_: object) -> None:
            """The base would open addresses and close the connection with these."""

        super().__init__(
            "", write_bytes=write_bytes, write_str=unused, close=unused, download_manager=DownloadManager()
        )
        self._path = path
        self._ended = ended
        self._told = b""

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        package = str(Path(__file__).resolve().parents[2])
        environment = self._build_environment(*sane_size(width, height))
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (package, environment.get("PYTHONPATH"))))
        # -P: a module of the same name in the folder where somebody happens to stand is not ours
        command = (sys.executable, "-P", "-m", "livemerc.dashboard.viewer", str(self._path.absolute()))
        self._process = process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment, start_new_session=True
        )
        self._stdin = process.stdin
        return process

    async def set_terminal_size(self, width: int, height: int) -> None:
        await super().set_terminal_size(*sane_size(width, height))

    async def run(self) -> None:
        """Hand on what the process draws, until it ends or the browser has gone."""
        process = self._process
        assert process is not None
        assert process.stdout is not None
        listening = asyncio.create_task(self._listen_to_errors(process))
        try:
            await process.stdout.readuntil(_READY)
            while await self._packet(process.stdout):
                pass
        except asyncio.IncompleteReadError:
            pass  # the process has gone
        finally:
            listening.cancel()
        words = self._told.decode(errors="replace").strip().splitlines()
        with contextlib.suppress(ConnectionError):
            await self._ended(words[-1] if words else "You have left this screen; the session goes on without you.")

    async def _packet(self, stdout: asyncio.StreamReader) -> bool:
        kind = await stdout.readexactly(1)
        payload = await stdout.readexactly(int.from_bytes(await stdout.readexactly(4), "big"))
        if kind == b"D":
            # once the browser has gone, read on: a full pipe would hold the process
            with contextlib.suppress(ConnectionError):
                await self.remote_write_bytes(payload)
        return not (kind == b"M" and json.loads(payload).get("type") == "exit")

    async def _listen_to_errors(self, process: Process) -> None:
        assert process.stderr is not None
        while data := await process.stderr.read(_TOLD_BYTES):
            self._told = (self._told + data)[-_TOLD_BYTES:]

    async def stop(self) -> None:
        """End the process: it is asked first (its input ends), then told, then killed."""
        process = self._process
        if process is None:
            return
        if self._stdin is not None:
            self._stdin.close()
        for end in (process.terminate, process.kill):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _END_WITHIN_S)
            if process.returncode is not None:
                break
            with contextlib.suppress(ProcessLookupError):
                end()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await process.wait()
