"""Rooms: who speaks in each, what is said about it, and who may still have it. One event loop owns all of this."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from weakref import WeakSet

import msgspec

from livemerc.config import Config
from livemerc.errors import ConfigError, LivemercError, cause_of
from livemerc.events import Event, Status, encode
from livemerc.protocol import RESUME_WITHIN_S, Hello
from livemerc.runtime.notices import Notice
from livemerc.server.journal import HEARD_AGAIN_S, Heard, Joined, Left, Lost, Opened, RoomJournal
from livemerc.server.journals import Elsewhere, Journals
from livemerc.server.limits import Limits
from livemerc.server.rebuilding import remembering, restore
from livemerc.server.room import MovedError, RefusedError, Room, Speaker
from livemerc.server.source import RoomSource
from livemerc.streams.past import Past
from livemerc.streams.streams import Streams


class Rooms:
    """All methods are for the loop in which `open` was awaited. record: the folder in which each session gets its own.

    heard: gets every event, with its room's name and as it is sent. slow: called when a reader loses its connection.
    journals: where rooms are kept that another server is to go on with when this one ends; they are not recorded.
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
        journals: Journals | None = None,
    ) -> None:
        self.journals = journals
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
        self._spoiled: WeakSet[RoomJournal] = WeakSet()
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
        room = self._by_stream.get(stream)
        if room is None:
            return  # handed over: whoever goes on with it says this anew
        try:
            self._heard(room.name, event, room.publish(event, line))
            if room.journal is not None and room.journal.failure is not None:
                raise room.journal.failure
            if isinstance(event, Status) and room.journal is not None:
                room.journal.forget(max(room.judged_s, self._streams.settled_s(stream)) - HEARD_AGAIN_S)
        except OSError as error:
            self._spoil(room, error)
        if room.over:
            del self._by_stream[stream]
            for speaker in room.speakers.values():
                if speaker.away is not None:
                    speaker.away.cancel()
            self._keep_a_while(room)

    def _keep_a_while(self, room: Room) -> None:
        """It is over, and can still be read."""
        asyncio.get_running_loop().call_later(self.limits.kept_s, self._drop, room)

    def _drop(self, room: Room) -> None:
        if self.rooms.get(room.name) is room:
            del self.rooms[room.name]
            if room.journal is not None:
                room.journal.remove()

    def _spoil(self, room: Room, error: OSError) -> None:
        """The session goes on; nobody could go on with it."""
        if room.journal is not None and room.journal not in self._spoiled:
            self._spoiled.add(room.journal)
            room.journal.spoil(error)
            why = f"the room's journal cannot be written ({cause_of(error)}): the session ends with this server"
            self._streams.tell(room.stream, Notice.JOURNAL, why)

    async def stop(self) -> None:
        """Every room is flushed; returns after the last `session.end`. Rooms with a journal are handed over."""
        self.stopping = True
        self.hand_over()
        self._streams.stop()
        await self.over.wait()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def hand_over(self) -> None:
        """Rooms with a journal are anybody's from now on: whoever comes back to them goes on elsewhere."""
        self.stopping = self.stopping or self.journals is not None
        for room in self.running:
            if room.journal is not None:
                room.handed_over = True
                del self._by_stream[room.stream]
                self.rooms.pop(room.name, None)
                room.journal.close()
                self._streams.end(room.stream)
        for room in [room for room in self.rooms.values() if room.journal is not None]:
            assert room.journal is not None
            room.journal.close()  # it is over, and read elsewhere now
            self.rooms.pop(room.name, None)

    async def find(self, name: str) -> None:
        """Goes on with a room that another server has left in its journal, if there is one. Raises `RefusedError`,
        and `MovedError` where another server has it."""
        async with self._joining:
            await self._find(name)

    async def _find(self, name: str) -> None:
        if self.journals is None or name in self.rooms:
            return
        if self.stopping:
            raise MovedError
        journal = await self._claim(name)
        if not journal.begun:
            journal.remove()
            return
        self._count += 1
        try:
            room = await self._rebuilt(name, journal)
        except LivemercError as error:
            journal.remove()
            raise RefusedError(str(error)) from error
        self.rooms[name] = room
        for waiting in self.arrivals:
            waiting.set()

    async def _rebuilt(self, name: str, journal: RoomJournal) -> Room:
        """Raises `ConfigError`."""
        opened = journal.found.opened
        assert opened is not None
        hello = Hello(purpose=opened.purpose, language=opened.language, pace=opened.pace)
        source = self._source(name, opened.rate_hz, hello)
        room = Room(name, f"{name}#{self._count}", hello, source, self.limits.log_events, journal=journal)
        past = restore(room, journal.found, self._streams.checkpoint)
        if room.over:
            self._keep_a_while(room)
            return room
        await self._run(room, _config_for(self._config, hello), past)
        for speaker in room.speakers.values():
            if not speaker.channel.left:
                self._await_return(room, speaker, max(0.0, RESUME_WITHIN_S - journal.found.age_s))
        return room

    async def _run(self, room: Room, config: Config, past: Past | None = None) -> None:
        """Its stream begins, or goes on. Raises `ConfigError`."""
        self._by_stream[room.stream] = room  # before its first event can come
        folder = None if self.record is None else _new_folder(self.record, room.name)
        remember = None if room.journal is None else remembering(room.journal)
        try:
            await asyncio.to_thread(
                self._streams.add, room.stream, room.source, config=config, record=folder,
                record_audio=self.record_audio, past=past, remember=remember,
            )  # fmt: skip
        except LivemercError:
            del self._by_stream[room.stream]
            raise

    def _source(self, name: str, rate_hz: int, hello: Hello) -> RoomSource:
        loop = asyncio.get_running_loop()
        live = hello.pace == "live"
        ring_s = self.limits.ring_s if live else self.limits.file_ring_s

        def taken() -> None:
            loop.call_soon_threadsafe(self._has_room, name)

        return RoomSource(f"room:{name}", rate_hz, ring_s, live=live, taken=taken)

    def _has_room(self, name: str) -> None:
        if name in self.rooms:
            self.rooms[name].has_room.set()

    # -- who speaks --------------------------------------------------------------------------------------------------

    @property
    def running(self) -> list[Room]:
        return list(self._by_stream.values())

    async def join(self, name: str, rate_hz: int, hello: Hello) -> tuple[Room, Speaker]:
        """A source comes, or comes back. Raises `RefusedError`."""
        async with self._joining:
            await self._find(name)
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
        if room.journal is not None:
            self._journal(room, Joined(speaker.session, channel.speaker, rate_hz, channel.t_s))
        return room, speaker

    def feed(self, room: Room, speaker: Speaker, pcm: bytes) -> None:
        """s16le of a source. Raises `ConnectionError` where another server goes on with the room."""
        if room.handed_over:
            raise ConnectionResetError("the room has been handed over")
        channel = speaker.channel
        at = channel.samples
        taken = room.source.feed(channel, pcm)
        if room.journal is not None:
            lost = Lost(channel.number, at, len(pcm) // 2)
            self._journal(room, Heard(channel.number, at, pcm) if taken else lost, channel.t_s)

    def skip(self, room: Room, speaker: Speaker, samples: int) -> None:
        """So many samples of a source have been lost."""
        channel = speaker.channel
        lost = Lost(channel.number, channel.samples, samples)
        room.source.skip(channel, samples)
        if room.journal is not None:
            self._journal(room, lost, channel.t_s)

    def _journal(self, room: Room, record: Joined | Left | Heard | Lost, t_s: float = 0.0) -> None:
        assert room.journal is not None
        try:
            if isinstance(record, Heard | Lost):
                room.journal.hear(record, t_s)
            else:
                room.journal.write(record)
        except OSError as error:
            self._spoil(room, error)

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
        self._count += 1
        room = Room(name, f"{name}#{self._count}", hello, self._source(name, rate_hz, hello), self.limits.log_events)
        try:
            config = _config_for(self._config, hello)
            room.journal = await self._new_journal(name, rate_hz, hello)
            await self._run(room, config)
        except LivemercError as error:
            if room.journal is not None:
                room.journal.remove()
            raise RefusedError(str(error)) from error
        self.rooms[name] = room
        for waiting in self.arrivals:
            waiting.set()
        return room

    async def _new_journal(self, name: str, rate_hz: int, hello: Hello) -> RoomJournal | None:
        if self.journals is None:
            return None
        before = self.rooms.pop(name, None)
        if before is not None and before.journal is not None:
            before.journal.remove()
        journal = await self._claim(name)
        try:
            journal.write(Opened(hello.purpose, hello.language, hello.pace, rate_hz, self._streams.checkpoint.sha256))
        except OSError as error:
            journal.remove()
            raise RefusedError(f"the room's journal cannot be written ({cause_of(error)}); come back later.") from error
        return journal

    async def _claim(self, name: str) -> RoomJournal:
        """Raises `MovedError` and `RefusedError`."""
        assert self.journals is not None
        try:
            journal = await asyncio.to_thread(self.journals.claim, name)
        except OSError as error:
            raise RefusedError(f"the room's journal cannot be opened ({cause_of(error)}); come back later.") from error
        if isinstance(journal, Elsewhere):
            raise MovedError
        return journal

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
        if not speaker.channel.left and room.journal is not None:
            self._journal(room, Left(speaker.channel.number))
        room.source.leave(speaker.channel)

    def cut(self, room: Room, speaker: Speaker, connection: int) -> None:
        """Its connection is gone; it may come back for a while."""
        if connection == speaker.connection and not speaker.channel.left and not room.over and not room.handed_over:
            self._await_return(room, speaker, RESUME_WITHIN_S)

    def _await_return(self, room: Room, speaker: Speaker, within_s: float) -> None:
        """It leaves where it has not come back by then."""
        speaker.away = asyncio.get_running_loop().call_later(within_s, self.leave, room, speaker)


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
