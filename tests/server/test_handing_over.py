"""Rooms with journals: what one server began another goes on with, and nobody who speaks or reads can tell."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from helpers.scripted_parts import Speaks
from helpers.served import RATE_HZ, blocks, cut, events_of, is_type, opened, pcm, rest, room, said, served
from helpers.settled import settled
from helpers.sources import Samples

from livemerc.config import Config
from livemerc.events import Event, UtteranceFinal, decode
from livemerc.pipeline.monitor import Monitor
from livemerc.server.app import RoomServer
from livemerc.server.journal import Heard, Joined, Opened, RoomJournal, Said
from livemerc.server.journals import Elsewhere, Journals
from livemerc.server.limits import Limits


@pytest.fixture(scope="module")
def config(configured: Callable[..., Config]) -> Config:
    return configured(asr__engine="none")


@asynccontextmanager
async def several(config: Config, journals: Path, count: int = 2) -> AsyncIterator[list[RoomServer]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(served(config, journals=journals)) for _ in range(count)]


def heard(messages: list[dict[str, Any]]) -> list[Event]:
    return settled(decode(json.dumps(event)) for event in events_of(messages))


def told(events: list[Event]) -> list[tuple[Any, ...]]:
    """What no rounding changes."""
    return [
        (e.utterance_id, round(e.start_s, 6), round(e.end_s, 6), e.text) if isinstance(e, UtteranceFinal)
        else (e.utterance_id, e.status, e.revision, e.label, e.abstained)
        for e in events
    ]  # fmt: skip


def in_order(messages: list[dict[str, Any]]) -> bool:
    return [m["seq"] for m in messages if "seq" in m] == list(range(1, len(events_of(messages)) + 1))


class Speaker:
    """Speaks the demo into a room, to one server after the other, and keeps all that comes back."""

    def __init__(self, client: ClientSession, name: str, end_s: float, **hello: Any) -> None:
        self._client, self._name, self._hello = client, name, {"pace": "file"} | hello
        self._pieces = list(blocks(pcm(end_s)))
        self._session: str | None = None
        self.found: list[dict[str, Any]] = []
        self.codes: list[int | None] = []

    async def to(self, server: RoomServer, until: int | None = None, *, leaves: str = "cut", judged: int = 0) -> None:
        """From where the room is to the piece `until` (None: to the end of the session), and what comes meanwhile.
        judged: so many utterances have an estimate when it leaves."""
        seq = self.found[-1]["seq"] + 1 if self.found else 1
        hello = self._hello | {"from": seq} | ({} if self._session is None else {"session": self._session})
        socket = await opened(self._client, room(server, self._name), hello)
        welcome = await said(socket, is_type("welcome"))
        self._session = welcome["session"]
        reading = asyncio.create_task(self._read(socket))
        for piece in self._pieces[welcome["samples"] * 10 // RATE_HZ : until]:
            await socket.send_bytes(piece)
        if until is None:
            await socket.send_json({"type": "end"})
        elif leaves != "nobody":
            while self.safe < until * RATE_HZ // 10 or self.judged < judged:
                await asyncio.sleep(0.01)
            if leaves == "cut":
                cut(socket)
            else:
                await server.hand_over()
        await reading
        self.codes.append(socket.close_code)

    safe = 0

    @property
    def judged(self) -> int:
        events = events_of(self.found)
        return len({e["utterance_id"] for e in events if e["type"] == "emotion" and e["status"] == "provisional"})

    async def _read(self, socket: Any) -> None:
        async for message in socket:
            one = json.loads(message.data)
            if "seq" in one:
                self.found.append(one)
            elif one["type"] == "ack":
                self.safe = one["samples"]


def alone(config: Config, end_s: float) -> list[Event]:
    return settled(Monitor(Samples(end_s), config, engine=Speaks()).events())


async def test_a_room_that_is_handed_over_has_the_events_of_one_that_stayed(config: Config, tmp_path: Path) -> None:
    async with several(config, tmp_path, 4) as servers, ClientSession() as client:
        speaker = Speaker(client, "one", 65.0)
        await speaker.to(servers[0], 180, leaves="handed over", judged=4)
        await speaker.to(servers[1], 330, leaves="handed over", judged=8)
        await speaker.to(
            servers[2], 452, leaves="handed over", judged=12
        )  # the journal's sound begins in the middle of a frame
        await speaker.to(servers[3])
    assert speaker.codes == [1012, 1012, 1012, 1000]
    assert told(heard(speaker.found)) == told(alone(config, 65.0))
    assert in_order(speaker.found)
    assert events_of(speaker.found)[-1]["duration_s"] == 65.0
    assert events_of(speaker.found)[-1]["dropped_s"] == 0.0
    assert sum(e["type"] == "session.start" for e in events_of(speaker.found)) == 1


async def test_a_connection_that_breaks_at_any_moment_and_any_server_lose_nothing(
    config: Config, tmp_path: Path
) -> None:
    chance = random.Random(23)
    wanted = told(alone(config, 30.0))
    async with several(config, tmp_path, 4) as servers, ClientSession() as client:

        async def moved(name: str) -> Speaker:
            speaker = Speaker(client, name, 30.0)
            await speaker.to(servers[0], chance.randrange(20, 280))
            await speaker.to(servers[0], chance.randrange(speaker.safe * 10 // RATE_HZ, 300))
            return speaker

        speakers = [await moved(f"r{number}") for number in range(4)]
        await servers[0].hand_over()
        for speaker, server in zip(speakers, [*servers[1:], servers[1]], strict=True):
            await speaker.to(server)
    for speaker in speakers:
        assert told(heard(speaker.found)) == wanted
        assert in_order(speaker.found)


async def test_several_who_speak_in_a_room_find_it_again_elsewhere(config: Config, tmp_path: Path) -> None:
    async with several(config, tmp_path) as servers, ClientSession() as client:
        sessions = {}
        for name in ("ann", "ben"):
            socket = await opened(client, room(servers[0]), {"speaker": name, "pace": "file"})
            sessions[name] = (await said(socket, is_type("welcome")))["session"]
            for block in blocks(pcm(9.0)):
                await socket.send_bytes(block)
            await said(socket, lambda m: m.get("type") == "ack" and m["samples"] == 9 * RATE_HZ)
        await servers[0].hand_over()
        found = []
        for name, session in sessions.items():
            hello = {"speaker": name, "pace": "file", "session": session}
            socket = await opened(client, room(servers[1]), hello)
            assert (await said(socket, is_type("welcome")))["samples"] == 9 * RATE_HZ
            for block in blocks(pcm(16.0, 9.0)):
                await socket.send_bytes(block)
            await socket.send_json({"type": "end"})
            found = await rest(socket)
    finals = [e for e in events_of(found) if e["type"] == "utterance.final"]
    assert {e["speaker"] for e in finals} == {"ann", "ben"}
    assert [e["utterance_id"] for e in finals] == [f"u{i + 1}" for i in range(len(finals))]
    assert in_order(found)


async def test_a_reader_goes_on_where_it_was_and_what_was_skipped_stays_counted(config: Config, tmp_path: Path) -> None:
    async with several(config, tmp_path) as servers, ClientSession() as client:
        socket = await opened(client, room(servers[0]), {})
        session = (await said(socket, is_type("welcome")))["session"]
        for block in blocks(pcm(8.0)):
            await socket.send_bytes(block)
        await socket.send_json({"type": "skip", "samples": 3 * RATE_HZ})
        await said(socket, lambda m: m.get("type") == "ack" and m["samples"] == 11 * RATE_HZ)
        reader = await client.ws_connect(f"{room(servers[0])}/events")
        first = await said(reader, is_type("session.start"))
        await servers[0].hand_over()
        socket = await opened(client, room(servers[1]), {"session": session})
        assert (await said(socket, is_type("welcome")))["samples"] == 11 * RATE_HZ
        reader = await client.ws_connect(f"{room(servers[1])}/events?from={first['seq'] + 1}")
        await socket.send_json({"type": "end"})
        seen = await rest(reader)
    assert [m["seq"] for m in seen] == list(range(2, len(seen) + 2))
    assert events_of(seen)[-1]["dropped_s"] == pytest.approx(3.0)


async def test_a_room_that_is_over_can_be_read_elsewhere_and_then_nothing_of_it_stays(
    config: Config, tmp_path: Path
) -> None:
    async with served(config, Limits(kept_s=0.5), journals=tmp_path) as one, ClientSession() as client:
        speaker = Speaker(client, "one", 8.0)
        await speaker.to(one)
        assert (tmp_path / "one" / "journal").is_file()
        await one.hand_over()
        async with served(config, Limits(kept_s=0.5), journals=tmp_path) as two:
            late = await rest(await client.ws_connect(f"{room(two)}/events"))
            assert events_of(late) == events_of(speaker.found)
            while (tmp_path / "one").exists():
                await asyncio.sleep(0.05)
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == []


async def test_a_room_to_which_nobody_comes_back_comes_to_its_end_elsewhere(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livemerc.server.app.RESUME_WITHIN_S", 0.2)
    monkeypatch.setattr("livemerc.server.app._ADOPT_EVERY_S", 0.1)
    monkeypatch.setattr("livemerc.server.rooms.RESUME_WITHIN_S", 0.2)
    async with ClientSession() as client:
        async with served(config, journals=tmp_path) as one:
            speaker = Speaker(client, "one", 8.0)
            await speaker.to(one, 80, leaves="handed over")
        async with served(config, Limits(kept_s=0.5), journals=tmp_path) as two:
            while (tmp_path / "one").exists():
                await asyncio.sleep(0.05)
            async with client.get(f"http://127.0.0.1:{two.port}/metrics") as answer:
                figures = await answer.text()
    assert "livemerc_rooms 0.0" in figures


async def test_sound_that_is_judged_goes_and_the_rest_is_enough(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a long session, in which the journal holds the last minute or two."""
    monkeypatch.setattr("livemerc.server.journal.SEGMENT_S", 2.0)
    monkeypatch.setattr("livemerc.server.rooms.HEARD_AGAIN_S", 10.0)
    monkeypatch.setattr("livemerc.server.rebuilding.LEAD_IN_S", 8.0)
    async with several(config, tmp_path) as servers, ClientSession() as client:
        speaker = Speaker(client, "one", 60.0)
        until = asyncio.create_task(speaker.to(servers[0], 420, leaves="nobody"))
        while speaker.safe < 42 * RATE_HZ or (tmp_path / "one" / "audio-000001").exists():
            assert not until.done()
            await asyncio.sleep(0.05)
        await servers[0].hand_over()
        until.cancel()
        await speaker.to(servers[1])
    assert in_order(speaker.found)
    found, wanted = (
        [e for e in events if isinstance(e, UtteranceFinal)] for events in (heard(speaker.found), alone(config, 60.0))
    )
    assert [e.utterance_id for e in found] == [e.utterance_id for e in wanted]
    for one, other in zip(
        found, wanted, strict=True
    ):  # ears that begin in the middle may hear an edge a little elsewhere
        assert (one.start_s, one.end_s) == pytest.approx((other.start_s, other.end_s), abs=0.3)
    assert events_of(speaker.found)[-1]["dropped_s"] == 0.0


async def test_a_journal_that_cannot_be_written_is_told_and_the_session_goes_on(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: RoomJournal, record: object, t_s: float) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RoomJournal, "hear", full)
    async with several(config, tmp_path) as servers, ClientSession() as client:
        socket = await opened(client, room(servers[0]), {})
        for block in blocks(pcm(8.0)):
            await socket.send_bytes(block)
        told = await said(socket, lambda m: "journal cannot be written" in str(m))
        assert "No space left" in told["event"]["degraded"]
        await socket.send_json({"type": "end"})
        assert events_of(await rest(socket))[-1]["duration_s"] == 8.0
        await servers[0].hand_over()
        assert servers[1].rooms.journals is not None
        assert not servers[1].rooms.journals.waits("one"), "nobody can go on with it"


# -- journals ----------------------------------------------------------------------------------------------------------


def test_a_room_has_one_owner_and_whoever_asks_learns_which(tmp_path: Path) -> None:
    one, two = Journals(tmp_path, "http://one:1"), Journals(tmp_path, "http://two:2")
    mine = one.claim("kitchen")
    assert isinstance(mine, RoomJournal)
    assert two.claim("kitchen") == Elsewhere("http://one:1")
    assert two.owner("kitchen") == "http://one:1"
    assert (two.owner("hall"), two.waits("hall"), two.waits("kitchen")) == (None, False, False)
    mine.write(Opened(None, None, "live", RATE_HZ, "0" * 64))
    mine.close()
    assert two.waits("kitchen")
    theirs = two.claim("kitchen")
    assert isinstance(theirs, RoomJournal)
    assert theirs.begun
    theirs.remove()
    assert not (tmp_path / "kitchen").exists()


@pytest.mark.parametrize("lost", [1, 3, 9])
def test_what_was_being_written_when_a_server_died_is_left_out(tmp_path: Path, lost: int) -> None:
    journals = Journals(tmp_path, "http://one:1")
    journal = journals.claim("one")
    assert isinstance(journal, RoomJournal)
    journal.write(Opened("personal", "en", "live", RATE_HZ, "0" * 64))
    journal.write(Joined("s", "ann", RATE_HZ, 0.0))
    journal.hear(Heard(0, 0, b"\1\0" * 100), 0.1)
    journal.hear(Heard(0, 100, b"\2\0" * 100), 0.2)
    journal.write(Said(1, "{}"))
    journal.close()
    for name in ("journal", "audio-000001"):
        path = tmp_path / "one" / name
        path.write_bytes(path.read_bytes()[:-lost])
    again = journals.claim("one")
    assert isinstance(again, RoomJournal)
    assert again.found.said == []
    assert again.found.joined == [Joined("s", "ann", RATE_HZ, 0.0)]
    assert again.found.sound == [Heard(0, 0, b"\1\0" * 100)]
    again.write(Said(1, "{}"))
    again.close()
    last = journals.claim("one")
    assert isinstance(last, RoomJournal)
    assert last.found.said == [Said(1, "{}")]
    last.remove()


def test_journals_are_for_their_owner_alone(tmp_path: Path) -> None:
    journal = Journals(tmp_path / "new", "http://one:1").claim("one")
    assert isinstance(journal, RoomJournal)
    journal.hear(Heard(0, 0, b"\1\0"), 0.1)
    for path in (tmp_path / "new" / "one").iterdir():
        assert path.name == "owner" or path.stat().st_mode & 0o077 == 0
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0
    journal.remove()
