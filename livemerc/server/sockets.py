"""What goes over one connection: audio in and events out, or events alone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakSet

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from livemerc.errors import InputError
from livemerc.protocol import (
    HIGHEST_RATE_HZ,
    LONGEST_BLOCK_S,
    LONGEST_MESSAGE_BYTES,
    LOWEST_RATE_HZ,
    ROOM,
    Acknowledged,
    End,
    Hello,
    Refused,
    Welcome,
    client_decoder,
    hello_decoder,
    text,
)
from livemerc.server.limits import Limits
from livemerc.server.room import MovedError, Pace, RefusedError, Room, Speaker, TooSlowError
from livemerc.server.rooms import Rooms
from livemerc.server.source import Channel

HEARTBEAT_S = 10.0
"""A connection that answers no ping for half of this is gone, though nobody has closed it."""
_UNSENT_BYTES = 1 << 16
_KEEPALIVE_S = 15.0
_ACK_EVERY_S = 0.25

SOCKETS = web.AppKey("sockets", WeakSet)
"""Those that stand."""

Send = Callable[[int, str], Awaitable[None]]


class BadMessage(InputError):
    """What a client sent is not what the protocol says; one sentence."""


async def audio(request: web.Request, rooms: Rooms) -> web.WebSocketResponse:
    """`GET /rooms/{room}/audio?rate=HZ`."""
    name, rate_hz = room_of(request), _rate_of(request)
    socket = await _open(request)
    try:
        hello = await _hello(socket, rooms.limits)
        room, speaker = await rooms.join(name, rate_hz, hello)
    except (RefusedError, BadMessage) as error:
        await _refuse(socket, str(error))
        return socket
    except MovedError:
        await socket.close(code=WSCloseCode.SERVICE_RESTART)
        return socket
    except ConnectionError:
        return socket
    await _serve_source(socket, rooms, room, speaker, hello.from_seq)
    return socket


async def _serve_source(
    socket: web.WebSocketResponse, rooms: Rooms, room: Room, speaker: Speaker, from_seq: int
) -> None:
    connection, replaced = speaker.connection, speaker.replaced
    try:
        await socket.send_str(text(Welcome(speaker.session, speaker.channel.samples)))
    except ConnectionError:
        rooms.cut(room, speaker, connection)
        return
    following = asyncio.create_task(_follow_on_socket(rooms, room, from_seq, socket))
    taking = asyncio.create_task(_take(socket, rooms, room, speaker, connection))
    elsewhere = asyncio.create_task(replaced.wait())
    telling = asyncio.create_task(_acknowledge(socket, rooms, speaker.channel))
    try:
        await asyncio.wait({following, taking, elsewhere, telling}, return_when=asyncio.FIRST_COMPLETED)
        if taking.done():
            taking.result()
        if taking.done() and speaker.connection == connection:
            telling.cancel()
            await socket.send_str(text(Acknowledged(speaker.channel.samples)))
            if not room.speaking:
                await _until_one(following, asyncio.create_task(_nothing_comes(socket)))  # to the session's end
    except (BadMessage, RefusedError) as error:
        if speaker.connection == connection:
            rooms.leave(room, speaker)
        await _refuse(socket, str(error))
    except (ConnectionError, TimeoutError):
        pass  # the client has gone; it may come back
    finally:
        await _end(following, taking, elsewhere, telling)
        rooms.cut(room, speaker, connection)
    await _close(socket, rooms)


async def _until_one(wanted: asyncio.Task[None], listening: asyncio.Task[None]) -> None:
    """While something is sent somebody has to listen: pings are answered there."""
    try:
        await asyncio.wait({wanted, listening}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _end(listening)


async def _end(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # seen: what it died of is told by whoever waited for it, or is a client that left


async def _close(socket: web.WebSocketResponse, rooms: Rooms) -> None:
    if not socket.closed:
        await socket.close(code=WSCloseCode.SERVICE_RESTART if rooms.stopping else WSCloseCode.OK)


async def events(request: web.Request, rooms: Rooms) -> web.StreamResponse:
    """`GET /rooms/{room}/events?from=SEQ`: a WebSocket, or an event stream (SSE) where none is asked for."""
    name = room_of(request)
    from_seq = _seq_of(request)
    if request.headers.get("Upgrade", "").lower() == "websocket":
        socket = await _open(request)
        listening = asyncio.create_task(_nothing_comes(socket))  # pings, and the client's close
        following = asyncio.create_task(_watch(rooms, name, from_seq, socket))
        try:
            await asyncio.wait({listening, following}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end(listening, following)
        await _close(socket, rooms)
        return socket
    return await _event_stream(request, rooms, name, from_seq)


def room_of(request: web.Request) -> str:
    """The room of an address. Raises 404 for what cannot be a room's name."""
    name = request.match_info["room"]
    if ROOM.fullmatch(name) is None:
        raise web.HTTPNotFound(text="A room's name is up to 64 letters, digits, - and _; choose another.\n")
    return name


def _rate_of(request: web.Request) -> int:
    given = request.query.get("rate", "")
    if not (given.isascii() and given.isdecimal() and len(given) < 7):
        raise web.HTTPBadRequest(text="Say how many samples a second come: ?rate=16000.\n")
    if not LOWEST_RATE_HZ <= int(given) <= HIGHEST_RATE_HZ:
        raise web.HTTPBadRequest(text=f"rate is {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ}.\n")
    return int(given)


def _seq_of(request: web.Request) -> int:
    given = request.query.get("from", "1")
    last = request.headers.get("Last-Event-ID", "")
    if last.isascii() and last.isdecimal() and len(last) < 16:
        return int(last) + 1
    if not (given.isascii() and given.isdecimal() and len(given) < 16):
        raise web.HTTPBadRequest(text="from is the number of the first event that is wanted: ?from=1.\n")
    return max(1, int(given))


async def _open(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=LONGEST_MESSAGE_BYTES, compress=False)
    await socket.prepare(request)
    request.app[SOCKETS].add(socket)
    if request.transport is not None:
        request.transport.set_write_buffer_limits(high=_UNSENT_BYTES)
    return socket


async def _refuse(socket: web.WebSocketResponse, sentence: str) -> None:
    with contextlib.suppress(ConnectionError):
        await socket.send_str(text(Refused(sentence)))
        await socket.close(code=WSCloseCode.POLICY_VIOLATION)


# -- what comes ------------------------------------------------------------------------------------------------------


async def _hello(socket: web.WebSocketResponse, limits: Limits) -> Hello:
    try:
        message = await socket.receive(timeout=limits.hello_within_s)
    except TimeoutError:
        raise BadMessage("no hello came in time; send one first, {} is enough.") from None
    if message.type in _GONE:
        raise ConnectionError
    if message.type is not WSMsgType.TEXT:
        raise BadMessage("the first message is a hello in JSON, {} is enough; audio comes after it.")
    try:
        return hello_decoder.decode(message.data)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise BadMessage(f"this is no hello ({error}); {{}} is enough.") from None


_GONE = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)


async def _take(socket: web.WebSocketResponse, rooms: Rooms, room: Room, speaker: Speaker, connection: int) -> None:
    """Takes what the source says until it has ended, or has come back on another connection. Raises `BadMessage`,
    `RefusedError`, and `ConnectionError` where it has gone."""
    channel, source = speaker.channel, room.source
    pace = Pace(channel.rate_hz, rooms.limits.ahead_s)
    while not channel.left and not room.over:
        message = await socket.receive()
        if message.type is WSMsgType.BINARY:
            samples = _samples(message.data, channel.rate_hz)
            if not source.live:
                await _until_room(room, samples / channel.rate_hz)
            if speaker.connection != connection:
                return  # what is still on its way here has been sent again there
            if source.t_s > rooms.limits.room_s:
                raise RefusedError(f"a session takes {rooms.limits.room_s / 3600:.0f} hours; begin a new one.")
            rooms.feed(room, speaker, message.data)
            if source.live:
                await asyncio.sleep(pace.took(samples))
        elif speaker.connection != connection:
            return
        elif message.type is WSMsgType.TEXT:
            _obey(message.data, rooms, room, speaker)
        elif message.type in _GONE:
            raise ConnectionError


async def _acknowledge(socket: web.WebSocketResponse, rooms: Rooms, channel: Channel) -> None:
    """Tells what is safe, a few times a second where there is news, and at the end."""
    told = -1
    while True:
        if channel.samples != told:
            told = channel.samples
            async with asyncio.timeout(rooms.limits.send_within_s):
                await socket.send_str(text(Acknowledged(told)))
        await asyncio.sleep(_ACK_EVERY_S)


def _samples(data: bytes, rate_hz: int) -> int:
    if len(data) % 2 or not data:
        raise BadMessage("a binary message is whole samples of s16le, two bytes each.")
    if len(data) > 2 * LONGEST_BLOCK_S * rate_hz:
        raise BadMessage(f"a binary message holds at most {LONGEST_BLOCK_S:.0f} s of audio; send 20 to 100 ms.")
    return len(data) // 2


def _obey(data: str, rooms: Rooms, room: Room, speaker: Speaker) -> None:
    try:
        message = client_decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise BadMessage(f"this message is not understood ({error}); see docs/server.md.") from None
    if isinstance(message, End):
        rooms.leave(room, speaker)
    elif room.source.t_s + message.samples / speaker.channel.rate_hz > rooms.limits.room_s:
        raise BadMessage("skip: a session is not as long as that.")
    else:
        rooms.skip(room, speaker, message.samples)


async def _until_room(room: Room, length_s: float) -> None:
    while room.source.room_s < length_s and not room.over:
        room.has_room.clear()
        if room.source.room_s < length_s:
            await room.has_room.wait()


# -- what goes -------------------------------------------------------------------------------------------------------


async def _follow(rooms: Rooms, room: Room, from_seq: int, send: Send, alive: Callable[[], Awaitable[None]]) -> None:
    """Sends every event from `from_seq` on, to the session's end. Raises `TooSlowError`."""
    news = asyncio.Event()
    room.readers.add(news)
    at, begun = from_seq, False
    try:
        while True:
            news.clear()
            if begun and at <= room.gone:
                raise TooSlowError
            found = room.since(at)
            for seq, line in found:
                begun = True
                try:
                    async with asyncio.timeout(rooms.limits.send_within_s):
                        await send(seq, line)
                except TimeoutError:
                    raise TooSlowError from None
                at = seq + 1
            if not found and room.over:
                return
            if not found:
                try:
                    async with asyncio.timeout(_KEEPALIVE_S):  # `wait_for` of 3.11 may swallow a cancellation
                        await news.wait()
                except TimeoutError:
                    await alive()
    finally:
        room.readers.discard(news)


async def _follow_on_socket(rooms: Rooms, room: Room, from_seq: int, socket: web.WebSocketResponse) -> None:
    async def send(seq: int, line: str) -> None:
        await socket.send_str(line)

    async def alive() -> None:
        """The heartbeat tells."""

    try:
        await _follow(rooms, room, from_seq, send, alive)
    except TooSlowError:
        rooms.slow()
        _abort(socket)


def _abort(socket: web.WebSocketResponse) -> None:
    """At once: whoever does not read will not read a close either."""
    request = socket._req
    if request is not None and request.transport is not None:
        request.transport.abort()


async def _arrived(rooms: Rooms, name: str) -> Room:
    """The room of that name, as soon as there is one."""
    news = asyncio.Event()
    rooms.arrivals.add(news)
    try:
        if rooms.journals is not None and rooms.journals.waits(name):
            await rooms.find(name)
        while name not in rooms.rooms:
            news.clear()
            await news.wait()
    finally:
        rooms.arrivals.discard(news)
    return rooms.rooms[name]


async def _watch(rooms: Rooms, name: str, from_seq: int, socket: web.WebSocketResponse) -> None:
    await _follow_on_socket(rooms, await _arrived(rooms, name), from_seq, socket)


async def _nothing_comes(socket: web.WebSocketResponse) -> None:
    """Whoever only listens says nothing that counts; until the connection closes."""
    while (await socket.receive()).type not in _GONE:
        pass


async def _event_stream(request: web.Request, rooms: Rooms, name: str, from_seq: int) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    await response.prepare(request)
    if request.transport is not None:
        request.transport.set_write_buffer_limits(high=_UNSENT_BYTES)

    async def send(seq: int, line: str) -> None:
        await response.write(f"id: {seq}\ndata: {line}\n\n".encode())

    async def alive() -> None:
        await response.write(b": still here\n\n")

    try:
        await response.write(b": livemerc\n\n")
        await _follow(rooms, await _arrived(rooms, name), from_seq, send, alive)
    except TooSlowError:
        rooms.slow()
        if request.transport is not None:
            request.transport.abort()
    except (ConnectionError, MovedError, RefusedError):
        pass  # the reader has left, or comes again and finds the room elsewhere
    return response
