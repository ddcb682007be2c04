"""Rooms: who speaks in each, what is said about it, and who may still have it. One event loop owns all of this."""

from __future__ import annotations

import asyncio
import secrets
import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from time import monotonic

import msgspec

from livemerc.config import Config
from livemerc.errors import ConfigError, LivemercError
from livemerc.events import EmotionEvent, Event, SessionEnd, Status, UtterancePartial, encode
from livemerc.protocol import RESUME_WITHIN_S, Hello, sent
from livemerc.server.limits import Limits
from livemerc.server.source import Channel, RoomSource
from livemerc.streams.streams import Streams

RECENT = 1000
"""Events of any kind that a room keeps."""


class RefusedError(LivemercError):
    """One sentence with the mend, for whoever asked."""


class TooSlowError(Exception):
    """A reader has fallen behind everything that is kept."""


@dataclass(eq=False)
class Speaker:
    """One source of a room. `connection` counts up with each connection: an older one has nothing to say any more."""

    session: str
    channel: Channel
    connection: int = 0
    replaced: asyncio.Event = field(default_factory=asyncio.Event)
    """Set for a connection when the source has come back on another one."""
    away: asyncio.TimerHandle | None = None


@dataclass(eq=False)
class Room:
    """One session. `seq` numbers its events from 1. `lasting`: what a late reader needs, at most `most`; `recent`: all
    that came last. `gone`: the newest that should last and is not kept any more."""

    name: str
    stream: str
    hello: Hello
    source: RoomSource
    most: int
    lasting: list[tuple[int, str]] = field(default_factory=list)
    recent: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=RECENT))
    gone: int = 0
    speakers: dict[str, Speaker] = field(default_factory=dict)
    readers: set[asyncio.Event] = field(default_factory=set)
    has_room: asyncio.Event = field(default_factory=asyncio.Event)
    seq: int = 0
    over: bool = False

    @property
    def speaking(self) -> int:
        """Sources that have not left."""
        return sum(not one.channel.left for one in self.speakers.values())

    def publish(self, event: Event, line: bytes) -> str:
        """Gives it its number; returns it as it is sent."""
        self.seq += 1
        numbered = sent(self.seq, line)
        self.recent.append((self.seq, numbered))
        superseded = isinstance(event, Status | UtterancePartial)
        if not superseded and not (isinstance(event, EmotionEvent) and event.status == "partial"):
            self.lasting.append((self.seq, numbered))
            if len(self.lasting) > self.most:
                self.gone = self.lasting.pop(1)[0]  # never the first, which says what all the others are about
        self.over = isinstance(event, SessionEnd)
        self.wake()
        return numbered

    def wake(self) -> None:
        for reader in self.readers:
            reader.set()

    def since(self, seq: int) -> list[tuple[int, str]]:
        """Events from `seq` on. Of those that are superseded only the newest are kept."""
        newest_from = self.recent[0][0] if self.recent else self.seq + 1
        older = self.lasting[bisect_left(self.lasting, (seq, "")) : bisect_left(self.lasting, (newest_from, ""))]
        return older + [one for one in self.recent if one[0] >= seq]


class Rooms:
    """All methods are for the loop in which `open` was awaited. record: the folder in which each session gets its own.

    heard: gets every event, with its room's name and as it is sent. slow: called when a reader loses its connection.
    """

    def __init__(
        self,
        streams: Streams,
        config: Config,
        limits: Limits,
        *,
        record: Path | None = None,
        record_audio: bool = False,
        heard: Callable[[str, Event, str], None] = lambda room, event, line: None,
        slow: Callable[[], None] = lambda: None,
    ) -> None:
        self.limits = limits
        self.failure: BaseException | None = None
        self.over = asyncio.Event()
        """No event will come any more."""
        self.stopping = False
        self.rooms: dict[str, Room] = {}
        """By name; those that are over, too, as long as they are kept."""
        self.arrivals: set[asyncio.Event] = set()
        self.record_audio = record_audio
        self.record = record
        self._streams = streams
        self._config = config
        self._heard = heard
        self.slow = slow
        self._by_stream: dict[str, Room] = {}
        self._joining = asyncio.Lock()
        self._count = 0
        self._thread: threading.Thread | None = None

    # -- events ------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Begins, and waits until recogniser and model are there. Raises what they fail of."""
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._pump, args=(loop,), name="livemerc-rooms", daemon=True)
        self._thread.start()
        while not self._streams.loaded and not self.over.is_set():
            await asyncio.sleep(0.05)
        if self.failure is not None:
            raise self.failure

    def _pump(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            for stream, event in self._streams.events():
                loop.call_soon_threadsafe(self._publish, stream, event, encode(event))
        except BaseException as error:  # noqa: BLE001 - the boundary of a thread: raised again where the server runs
            self.failure = error
        finally:
            loop.call_soon_threadsafe(self.over.set)

    def _publish(self, stream: str, event: Event, line: bytes) -> None:
        room = self._by_stream[stream]
        self._heard(room.name, event, room.publish(event, line))
        if room.over:
            del self._by_stream[stream]
            for speaker in room.speakers.values():
                if speaker.away is not None:
                    speaker.away.cancel()
            asyncio.get_running_loop().call_later(self.limits.kept_s, self._drop, room)

    def _drop(self, room: Room) -> None:
        if self.rooms.get(room.name) is room:
            del self.rooms[room.name]

    async def stop(self) -> None:
        """Every room is flushed; returns after the last `session.end`."""
        self.stopping = True
        self._streams.stop()
        await self.over.wait()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    # -- who speaks --------------------------------------------------------------------------------------------------

    @property
    def running(self) -> list[Room]:
        return list(self._by_stream.values())

    async def join(self, name: str, rate_hz: int, hello: Hello) -> tuple[Room, Speaker]:
        """A source comes, or comes back. Raises `RefusedError`."""
        async with self._joining:
            if hello.session is not None:
                return self._resumed(name, rate_hz, hello.session)
            room = self.rooms.get(name)
            if room is None or room.over:
                room = await self._opened(name, rate_hz, hello)
            else:
                self._check_joins(room, hello)
        channel = room.source.join(hello.speaker, rate_hz)
        speaker = Speaker(secrets.token_urlsafe(24), channel)
        room.speakers[speaker.session] = speaker
        return room, speaker

    def _resumed(self, name: str, rate_hz: int, session: str) -> tuple[Room, Speaker]:
        room = self.rooms.get(name)
        speaker = None if room is None else room.speakers.get(session)
        if room is None or speaker is None:
            raise RefusedError("this session is not known here any more; begin a new one.")
        if speaker.channel.rate_hz != rate_hz:
            raise RefusedError(f"this session began with rate={speaker.channel.rate_hz}; go on with the same.")
        if speaker.away is not None:
            speaker.away.cancel()
            speaker.away = None
        speaker.connection += 1
        speaker.replaced.set()
        speaker.replaced = asyncio.Event()
        return room, speaker

    async def _opened(self, name: str, rate_hz: int, hello: Hello) -> Room:
        if self.stopping:
            raise RefusedError("the server is stopping; come back later.")
        if len(self._by_stream) >= self.limits.rooms:
            raise RefusedError(f"all {self.limits.rooms} rooms are taken; wait until one ends, or raise --rooms.")
        loop = asyncio.get_running_loop()
        self._count += 1
        live = hello.pace == "live"
        ring_s = self.limits.ring_s if live else self.limits.file_ring_s
        room: Room

        def taken() -> None:
            loop.call_soon_threadsafe(room.has_room.set)

        source = RoomSource(f"room:{name}", rate_hz, ring_s, live=live, taken=taken)
        room = Room(name, f"{name}#{self._count}", hello, source, self.limits.log_events)
        self._by_stream[room.stream] = room  # before its first event can come
        try:
            config = _config_for(self._config, hello)
            folder = None if self.record is None else _new_folder(self.record, name)
            await asyncio.to_thread(
                self._streams.add, room.stream, source, config=config, record=folder, record_audio=self.record_audio
            )
        except LivemercError as error:
            del self._by_stream[room.stream]
            raise RefusedError(str(error)) from error
        self.rooms[name] = room
        for waiting in self.arrivals:
            waiting.set()
        return room

    def _check_joins(self, room: Room, hello: Hello) -> None:
        first = room.hello
        if not room.speaking:
            raise RefusedError("this room is coming to its end; try again in a moment.")
        if room.speaking >= self.limits.sources or len(room.speakers) >= self.limits.joins:
            raise RefusedError(f"this room has {room.speaking} sources already; take another room.")
        if self.record_audio:
            raise RefusedError("this server records the audio of one source a room; take another room.")
        if hello.pace != first.pace:
            raise RefusedError(f"this room has pace {first.pace}; send the same.")
        for key in ("purpose", "language"):
            mine, asked = getattr(first, key), getattr(hello, key)
            if asked is not None and asked != mine:
                raise RefusedError(f"this room was opened with {key} {mine}; leave {key} out, or take another room.")

    def leave(self, room: Room, speaker: Speaker) -> None:
        """Nothing more will come of it; the last one ends the session."""
        room.source.leave(speaker.channel)

    def cut(self, room: Room, speaker: Speaker, connection: int) -> None:
        """Its connection is gone; it may come back for a while."""
        if connection == speaker.connection and not speaker.channel.left and not room.over:
            loop = asyncio.get_running_loop()
            speaker.away = loop.call_later(RESUME_WITHIN_S, self.leave, room, speaker)


class Pace:
    """How much of a live source may be read now: as it is spoken, and `ahead_s` at once."""

    def __init__(self, rate_hz: int, ahead_s: float) -> None:
        self._rate_hz = rate_hz
        self._ahead_s = ahead_s
        self._began_s = monotonic()
        self._samples = 0

    def took(self, samples: int) -> float:
        """Seconds to wait before the next."""
        self._samples += samples
        due_s = self._samples / self._rate_hz - self._ahead_s
        passed_s = monotonic() - self._began_s
        if due_s + self._ahead_s < passed_s:  # it has been slower than the world: that is no credit
            self._began_s, self._samples = monotonic(), 0
        return max(0.0, due_s - passed_s)


def _config_for(config: Config, hello: Hello) -> Config:
    """Raises `ConfigError`."""
    purpose = config.purpose if hello.purpose is None else hello.purpose
    if config.judge_voice_of is not None and purpose != config.purpose:
        raise ConfigError(f"purpose {purpose}: this server judges the voices of {config.judge_voice_of}; leave it out.")
    asr = config.asr if hello.language is None else msgspec.structs.replace(config.asr, language=hello.language)
    return msgspec.structs.replace(config, purpose=purpose, asr=asr)


def _new_folder(where: Path, room: str) -> Path:
    name = f"{room}_{datetime.now():%Y-%m-%d_%H-%M-%S}"
    count, folder = 1, where / name
    while folder.exists():
        count += 1
        folder = where / f"{name}_{count}"
    return folder
