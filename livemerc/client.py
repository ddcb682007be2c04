"""Speaks into a room of `livemerc serve`, or follows one, without a model: sync and async, and without torch.

    from livemerc import client
    for seq, event in client.speak("http://127.0.0.1:8765/rooms/kitchen", blocks, 16000): ...
    for seq, event in client.watch("http://127.0.0.1:8765/rooms/kitchen"): ...

What the server has not yet acknowledged is kept, and sent again after a cut: nothing is lost that lasts less than
`livemerc.protocol.RESUME_WITHIN_S`, and what is lost beyond is counted by the server, in `dropped_s`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

import aiohttp
import msgspec

from livemerc.errors import ConfigError, LivemercError, cause_of
from livemerc.events import Event, SessionEnd, decode
from livemerc.protocol import (
    LONGEST_MESSAGE_BYTES,
    RESUME_WITHIN_S,
    ROOM,
    Acknowledged,
    End,
    Hello,
    Pace,
    Refused,
    Skip,
    Welcome,
    sent_decoder,
    server_decoder,
    text,
)
from livemerc.purpose import Purpose
from livemerc.runtime.incoming import Incoming

KEPT_S = 120.0
"""Audio that is kept until the server has it, which after a cut may take far longer than the way back to it; of a live
source more is lost, one of a file waits."""
_FILE_AHEAD_S = 10.0
_MESSAGE_S = 0.1
_TRY_AGAIN_S = (0.1, 0.3, 1.0, 2.0)
_HEARTBEAT_S = 10.0
_BUSY = (500, 502, 504)
"""What a cluster, or a proxy in front, answers a handshake with while nobody behind it is free or ready."""
_COME_AGAIN = (aiohttp.WSCloseCode.SERVICE_RESTART, aiohttp.WSCloseCode.TRY_AGAIN_LATER)

Socket = aiohttp.ClientWebSocketResponse
Audio = bytes | int
"""s16le mono; or how many samples were lost here."""


class Numbered(NamedTuple):
    """An event, and its number in its session."""

    seq: int
    event: Event


class Target(NamedTuple):
    """Where a room is. `base` has no path; `shown` no token."""

    base: str
    room: str
    token: str | None

    @property
    def shown(self) -> str:
        return f"{self.base.split('://')[1]}/rooms/{self.room}"


def target_of(url: str, token: str | None = None) -> Target:
    """Takes an address apart: `http://HOST:PORT/rooms/NAME`, the token behind `#` or given. Raises `ConfigError`."""
    parts = _split(url)
    path = parts.path.strip("/")
    room = path.removeprefix("rooms/") if path else "main"
    if parts.scheme not in ("http", "https", "ws", "wss") or not parts.hostname or ROOM.fullmatch(room) is None:
        raise ConfigError(f"{url.split('#')[0]}: no address of a room; give it as http://127.0.0.1:8765/rooms/NAME.")
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    return Target(f"{scheme}://{parts.netloc}", room, token or parts.fragment or None)


def speak(
    url: str, blocks: Iterable[Audio], rate_hz: int, *, speaker: str | None = None, purpose: Purpose | None = None,
    language: str | None = None, pace: Pace = "live", token: str | None = None,
) -> Incoming[Numbered]:  # fmt: skip
    """Sends `blocks` to a room, from a thread of its own, and gives the room's events, to `session.end`.

    blocks: s16le mono at `rate_hz`, or numbers of samples that were lost; at their own pace. pace: `file` = as fast as
    the server takes it. Raises `ConfigError` for a wrong address or token, and `LivemercError` where the server cannot
    be reached or refuses. Closing it before its end leaves without one: the room waits for a while.
    """
    return Incoming(
        lambda: speak_async(
            url, blocks, rate_hz, speaker=speaker, purpose=purpose, language=language, pace=pace, token=token
        )
    )


async def speak_async(
    url: str, blocks: Iterable[Audio] | AsyncIterable[Audio], rate_hz: int, *, speaker: str | None = None,
    purpose: Purpose | None = None, language: str | None = None, pace: Pace = "live", token: str | None = None,
) -> AsyncGenerator[Numbered, None]:  # fmt: skip
    """As `speak`. `blocks` is asynchronous, or is iterated in threads and may block there."""
    hello = Hello(speaker=speaker, purpose=purpose, language=language, pace=pace)
    link = _Link(target_of(url, token), rate_hz, hello)
    feeding = asyncio.create_task(link.feed(blocks))
    try:
        async for numbered in link.events():
            yield numbered
    finally:
        feeding.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await feeding


def watch(url: str, *, from_seq: int = 1, token: str | None = None) -> Incoming[Numbered]:
    """A room's events from `from_seq` on, to `session.end`; waits for a room that is not there yet. Raises as `speak`.
    Close it to leave before."""
    return Incoming(lambda: watch_async(url, from_seq=from_seq, token=token))


async def watch_async(url: str, *, from_seq: int = 1, token: str | None = None) -> AsyncGenerator[Numbered, None]:
    """As `watch`."""
    target = target_of(url, token)
    again = _Again(target)
    while True:
        try:
            async with _connected(target, "events", {"from": str(from_seq)}) as socket:
                again.connected()
                async for message in socket:
                    numbered = _numbered(message)
                    if isinstance(numbered, Numbered):
                        from_seq = numbered.seq + 1
                        yield numbered
                        if isinstance(numbered.event, SessionEnd):
                            return
                cause = _closed(socket)
        except (aiohttp.ClientError, OSError) as error:
            cause = _Cause(cause_of(error))
        except _BusyError as error:
            cause = _Cause(str(error), busy=True)
        await again.wait(cause)


class _BusyError(Exception):
    """The server is there, and takes nobody at the moment."""


class _Cause(NamedTuple):
    """Why there is no connection. busy: the server says itself that it is worth trying again."""

    what: str
    busy: bool = False


def _closed(socket: Socket) -> _Cause:
    return _Cause(f"closed with {socket.close_code}", socket.close_code in _COME_AGAIN)


class _Again:
    """How often, and for how long, a cut is mended, and a busy server is asked again."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._ever = False
        self._since_s: float | None = None
        self._tries = 0

    def connected(self) -> None:
        self._ever, self._since_s, self._tries = True, None, 0

    async def wait(self, cause: _Cause) -> None:
        """Until the next try, which many make at once after a server has gone: so each waits a little longer or less.
        Raises `LivemercError` where there is no sense in one."""
        now_s = asyncio.get_running_loop().time()
        if not self._ever and not cause.busy:
            raise LivemercError(
                f"{self._target.shown} cannot be reached ({cause.what}); check the address, and that `livemerc serve` "
                "runs."
            )
        self._since_s = now_s if self._since_s is None else self._since_s
        if now_s - self._since_s > RESUME_WITHIN_S and not self._ever:
            raise LivemercError(f"{self._target.shown}: the server is busy ({cause.what}); come back later.")
        if now_s - self._since_s > RESUME_WITHIN_S:
            raise LivemercError(
                f"the connection to {self._target.shown} was lost ({cause.what}) and did not come back in "
                f"{RESUME_WITHIN_S:.0f} s; begin again."
            )
        await asyncio.sleep(_TRY_AGAIN_S[min(self._tries, len(_TRY_AGAIN_S) - 1)] * random.uniform(0.5, 1.5))
        self._tries += 1


class _Link:
    """One source's connection, made again as often as it is cut. For one loop."""

    def __init__(self, target: Target, rate_hz: int, hello: Hello) -> None:
        self._target = target
        self._rate_hz = rate_hz
        self._hello = hello
        self._kept: deque[tuple[int, Audio]] = deque()  # by the sample with which each begins
        self._given = 0  # samples, lost ones included
        self._safe = 0
        self._ended = False
        self._failure: BaseException | None = None
        self._news = asyncio.Event()
        self._acknowledged = asyncio.Event()

    async def feed(self, blocks: Iterable[Audio] | AsyncIterable[Audio]) -> None:
        """Keeps what comes. What the iterator raises is raised by `events`, after what came before is judged."""
        most_s = KEPT_S if self._hello.pace == "live" else _FILE_AHEAD_S
        try:
            async for block in _each(blocks):
                for piece in self._pieces(block):
                    self._kept.append((self._given, piece))
                    self._given += _length(piece)
                self._news.set()
                while self._hello.pace == "file" and self._given - self._safe > most_s * self._rate_hz:
                    self._acknowledged.clear()
                    await self._acknowledged.wait()
                while self._kept and self._given - self._kept[0][0] > most_s * self._rate_hz:
                    self._kept.popleft()
        except Exception as error:  # noqa: BLE001 - the boundary of a task: raised again where events are taken
            self._failure = error
        self._ended = True
        self._news.set()

    def _pieces(self, block: Audio) -> list[Audio]:
        """As they are sent."""
        if isinstance(block, int):
            return [block]
        step = 2 * max(1, round(_MESSAGE_S * self._rate_hz))
        return [block[at : at + step] for at in range(0, len(block), step)]

    async def events(self) -> AsyncIterator[Numbered]:
        again, from_seq, session = _Again(self._target), 1, None
        while True:
            try:
                async with _connected(self._target, "audio", {"rate": str(self._rate_hz)}) as socket:
                    hello = msgspec.structs.replace(self._hello, session=session, from_seq=from_seq)
                    await socket.send_str(text(hello))
                    sending: asyncio.Task[None] | None = None
                    try:
                        async for message in socket:
                            found = _numbered(message)
                            if isinstance(found, Numbered):
                                from_seq = found.seq + 1
                                yield found
                                if isinstance(found.event, SessionEnd):
                                    self._raise()
                                    return
                            elif isinstance(found, Welcome):
                                again.connected()
                                session = found.session
                                sending = asyncio.create_task(self._send(socket, found.samples))
                            elif isinstance(found, Acknowledged):
                                self._let_go(found.samples)
                    finally:
                        if sending is not None:
                            sending.cancel()
                            await asyncio.wait([sending])
                            if not sending.cancelled():
                                sending.exception()  # a lost connection: that is seen below
                    if self._ended and self._safe >= self._given and socket.close_code == aiohttp.WSCloseCode.OK:
                        self._raise()
                        return  # others still speak in this room
                    cause = _closed(socket)
            except (aiohttp.ClientError, OSError) as error:
                cause = _Cause(cause_of(error))
            except _BusyError as error:
                cause = _Cause(str(error), busy=True)
            await again.wait(cause)

    def _raise(self) -> None:
        if self._failure is not None:
            raise self._failure

    async def _send(self, socket: Socket, at: int) -> None:
        """From sample `at` on, and the end. What is not kept any more is skipped."""
        self._let_go(at)
        while True:
            self._news.clear()
            for start, piece in list(self._kept):
                if start + _length(piece) <= at:
                    continue
                if start > at:
                    await socket.send_str(text(Skip(start - at)))
                    at = start
                if isinstance(piece, int):
                    await socket.send_str(text(Skip(start + piece - at)))
                else:
                    await socket.send_bytes(piece[2 * (at - start) :])
                at = start + _length(piece)
            if at == self._given and self._ended:
                await socket.send_str(text(End()))
                return
            if at == self._given:
                await self._news.wait()

    def _let_go(self, samples: int) -> None:
        self._safe = max(self._safe, samples)
        while self._kept and self._kept[0][0] + _length(self._kept[0][1]) <= samples:
            self._kept.popleft()
        self._acknowledged.set()


async def _each(blocks: Iterable[Audio] | AsyncIterable[Audio]) -> AsyncIterator[Audio]:
    if isinstance(blocks, AsyncIterable):
        async for block in blocks:
            yield block
        return
    iterator = iter(blocks)
    while (found := await asyncio.to_thread(next, iterator, None)) is not None:
        yield found


def _length(piece: Audio) -> int:
    return piece if isinstance(piece, int) else len(piece) // 2


@contextlib.asynccontextmanager
async def _connected(target: Target, what: str, query: dict[str, str]) -> AsyncIterator[Socket]:
    """Raises `ConfigError` and `LivemercError` where the server says no, `_BusyError` where it says later, and
    aiohttp's errors where there is none."""
    headers = {} if target.token is None else {"Authorization": f"Bearer {target.token}"}
    url = f"{target.base}/rooms/{target.room}/{what}"
    try:
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.ws_connect(url, params=query, heartbeat=_HEARTBEAT_S, max_msg_size=LONGEST_MESSAGE_BYTES) as socket,
        ):
            yield socket
    except aiohttp.WSServerHandshakeError as error:
        if error.status == 401:
            raise ConfigError(f"{target.shown}: the token is wrong or missing; give --token @FILE.") from error
        if error.status in _BUSY:
            raise _BusyError(f"HTTP {error.status}") from error
        if error.status == 503:
            raise LivemercError(f"{target.shown}: the server is full or stopping; come back later.") from error
        raise LivemercError(
            f"{target.shown}: no room is served there (HTTP {error.status}); check the address."
        ) from error


def _numbered(message: aiohttp.WSMessage) -> Numbered | Welcome | Acknowledged | None:
    """What a message says; None = nothing that is known here: a newer server may say more. Raises `LivemercError`."""
    if message.type is not aiohttp.WSMsgType.TEXT:
        return None
    try:
        found = sent_decoder.decode(message.data)
        return Numbered(found.seq, decode(bytes(found.event)))
    except msgspec.DecodeError:
        pass
    try:
        said = server_decoder.decode(message.data)
    except msgspec.DecodeError:
        return None
    if isinstance(said, Refused):
        raise LivemercError(f"the server refuses: {said.error}")
    return said


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ConfigError(
            f"{url.split('#')[0]}: no address ({error}); give http://127.0.0.1:8765/rooms/NAME."
        ) from error
    return parts
