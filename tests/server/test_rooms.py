"""Rooms over WebSockets: the events of a session of its own, several speakers, cuts, readers, recordings, the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession, WSServerHandshakeError
from helpers.scripted_parts import Speaks, no_thread_stays
from helpers.served import RATE_HZ, blocks, cut, events_of, is_type, opened, pcm, rest, room, said, served, sessions_in
from helpers.settled import settled
from helpers.sources import Samples

from livemerc.config import Config
from livemerc.events import Event, decode
from livemerc.pipeline.monitor import Monitor
from livemerc.server.limits import Limits
from livemerc.sessions import journal


@pytest.fixture(scope="module")
def config(configured: Callable[..., Config]) -> Config:
    return configured(asr__engine="none")


def alone(config: Config, end_s: float, start_s: float = 0.0) -> list[Event]:
    """What a session of its own says of the same samples."""
    return settled(Monitor(Samples(end_s, start_s=start_s), config, engine=Speaks()).events())


def heard(messages: list[dict[str, Any]]) -> list[Event]:
    return settled(decode(json.dumps(event)) for event in events_of(messages))


def same(found: list[Event], wanted: list[Event]) -> None:
    """Order, words and labels exactly; figures to within the rounding of a batch."""
    assert len(found) == len(wanted) > 0
    for a, b in zip(map(msgspec.to_builtins, found), map(msgspec.to_builtins, wanted), strict=True):
        for key in ("probabilities", "modality", "confidence"):
            x, y = a.pop(key, None), b.pop(key, None)
            if key == "modality" and x is not None:
                assert all(x[branch] == pytest.approx(y[branch], abs=1e-5) for branch in x)
            else:
                assert x == pytest.approx(y, abs=1e-5)
        assert a == b


async def spoken(client: ClientSession, url: str, data: bytes, **hello: Any) -> list[dict[str, Any]]:
    """All that comes back for audio as fast as it is taken."""
    socket = await opened(client, url, {"pace": "file"} | hello)
    for block in blocks(data):
        await socket.send_bytes(block)
    await socket.send_json({"type": "end"})
    return await rest(socket)


async def test_a_room_has_the_events_of_a_session_of_its_own(config: Config) -> None:
    async with served(config) as server, ClientSession() as client:
        found = await spoken(client, room(server), pcm(30.0))
    assert is_type("welcome")(found[0])
    same(heard(found), alone(config, 30.0))
    assert [m["seq"] for m in found if "seq" in m] == list(range(1, len(events_of(found)) + 1))
    assert events_of(found)[0]["type"] == "session.start"
    assert events_of(found)[-1] == {
        "type": "session.end", "duration_s": 30.0, "utterances": 8, "dropped_s": 0.0, "overruns": 0,
    } | {"utterances": events_of(found)[-1]["utterances"]}  # fmt: skip
    assert [m["samples"] for m in found if m.get("type") == "ack"][-1] == 30 * RATE_HZ
    no_thread_stays()


async def test_rooms_at_once_never_hear_of_each_other(config: Config) -> None:
    spans = {"a": (0.0, 20.0), "b": (10.0, 30.0), "c": (20.0, 40.0)}
    async with served(config) as server, ClientSession() as client:
        found = await asyncio.gather(
            *(spoken(client, room(server, name), pcm(end, start)) for name, (start, end) in spans.items())
        )
    for messages, (start, end) in zip(found, spans.values(), strict=True):
        same(heard(messages), alone(config, end, start))


async def test_several_sources_are_speakers_of_one_dialogue(config: Config) -> None:
    async with served(config) as server, ClientSession() as client:
        ann = await opened(client, room(server), {"speaker": "ann", "pace": "file"})
        await said(ann, is_type("welcome"))
        ben = await opened(client, room(server), {"speaker": "ben", "pace": "file"})
        await said(ben, is_type("welcome"))
        for at, block in enumerate(blocks(pcm(24.0))):
            await (ann if at < 120 else ben).send_bytes(block)
        await ann.send_json({"type": "end"})
        await rest(ann)
        await ben.send_json({"type": "end"})
        finals = [e for e in events_of(await rest(ben)) if e["type"] == "utterance.final"]
    assert {e["speaker"] for e in finals} == {"ann", "ben"}
    assert [e["utterance_id"] for e in finals] == [f"u{i + 1}" for i in range(len(finals))]


async def test_a_source_that_comes_back_goes_on_where_it_was(config: Config) -> None:
    data, pieces = pcm(30.0), list(blocks(pcm(30.0)))
    async with served(config) as server, ClientSession() as client:
        socket = await opened(client, room(server), {"pace": "file"})
        welcome = await said(socket, is_type("welcome"))
        found, at = [], 0
        for cut_at in (40, 41, 150, 290):
            for piece in pieces[at:cut_at]:
                await socket.send_bytes(piece)
            cut(socket)
            seq = found[-1]["seq"] + 1 if found else 1
            socket = await opened(client, room(server), {"pace": "file", "session": welcome["session"], "from": seq})
            samples = (await said(socket, is_type("welcome")))["samples"]
            assert samples % (RATE_HZ // 10) == 0
            at = samples * 10 // RATE_HZ
            assert at <= cut_at
        for piece in pieces[at:]:
            await socket.send_bytes(piece)
        await socket.send_json({"type": "end"})
        found += await rest(socket)
    assert len(data) == 2 * 30 * RATE_HZ
    same(heard(found), alone(config, 30.0))
    assert events_of(found)[-1]["dropped_s"] == 0.0


async def test_what_is_skipped_is_counted(config: Config) -> None:
    async with served(config) as server, ClientSession() as client:
        socket = await opened(client, room(server), {})
        for block in blocks(pcm(6.0)):
            await socket.send_bytes(block)
        await socket.send_json({"type": "skip", "samples": 4 * RATE_HZ})
        for block in blocks(pcm(12.0, 10.0)):
            await socket.send_bytes(block)
        await socket.send_json({"type": "end"})
        end = events_of(await rest(socket))[-1]
    assert end["dropped_s"] == pytest.approx(4.0)
    assert end["duration_s"] == pytest.approx(12.0)


async def test_readers_see_all_of_it_late_or_early_over_websocket_or_event_stream(config: Config) -> None:
    async with served(config) as server, ClientSession() as client:
        early = await client.ws_connect(f"{room(server)}/events")
        watching = asyncio.create_task(rest(early))
        found = [m for m in await spoken(client, room(server), pcm(15.0)) if "seq" in m]
        assert await watching == found
        late = await client.ws_connect(f"{room(server)}/events?from=5")
        assert await rest(late) == found[4:]
        async with client.get(f"{room(server)}/events?from=5") as answer:
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            lines = (await answer.text()).split("\n")
        assert [json.loads(x.removeprefix("data: ")) for x in lines if x.startswith("data: ")] == found[4:]
        assert next(x for x in lines if x.startswith("id: ")) == "id: 5"
        async with client.get(f"{room(server)}/events", headers={"Last-Event-ID": str(len(found) - 1)}) as answer:
            assert (await answer.text()).count("data: ") == 1


async def test_a_stopped_server_flushes_every_room_and_says_so(config: Config) -> None:
    async with served(config) as server, ClientSession() as client:
        sockets = [await opened(client, room(server, name), {}) for name in ("a", "b")]
        for socket in sockets:
            for block in blocks(pcm(12.0)):
                await socket.send_bytes(block)
            await said(socket, is_type("utterance.final"))
        watcher = await client.ws_connect(f"{room(server, 'a')}/events")
        waiting = await client.ws_connect(f"{room(server, 'not yet')}/events".replace(" ", "-"))
        server.stop()
        for socket in sockets:
            found = events_of(await rest(socket))
            assert found[-1]["type"] == "session.end"
            assert socket.close_code == 1012
        found = events_of(await rest(watcher))
        finals = [e["utterance_id"] for e in found if e["type"] == "utterance.final"]
        frozen = [e["utterance_id"] for e in found if e["type"] == "emotion" and e["status"] == "frozen"]
        assert sorted(finals) == sorted(frozen) == [f"u{i + 1}" for i in range(len(finals))]
        await rest(waiting)
        assert (watcher.close_code, waiting.close_code) == (1012, 1012)
    no_thread_stays()


async def test_a_recorded_room_is_a_session_and_nothing_else_is_written(config: Config, tmp_path: Path) -> None:
    async with served(config, record=tmp_path / "kept", record_audio=True) as server, ClientSession() as client:
        found = events_of(await spoken(client, room(server, "kitchen"), pcm(10.0)))
        refused = await opened(client, room(server, "two"), {"pace": "file"})
        await said(refused, is_type("welcome"))
        second = await opened(client, room(server, "two"), {"pace": "file"})
        assert "records the audio of one source" in (await said(second, is_type("error")))["error"]
    kept = [folder for folder in sessions_in(tmp_path / "kept") if folder.name.startswith("kitchen_")]
    assert len(kept) == 1
    assert [msgspec.to_builtins(event) for event in journal.read(kept[0]).events] == found
    assert (kept[0] / "audio.flac").is_file()


async def test_each_room_may_be_for_something_else_but_work_stays_work(config: Config) -> None:
    async with served(config) as server, ClientSession() as client:
        for purpose, voiced in (("work", False), ("personal", True)):
            found = events_of(await spoken(client, room(server, purpose), pcm(12.0), purpose=purpose))
            assert found[0]["purpose"] == purpose
            judged = [e for e in found if e["type"] == "emotion" and e["abstained"] != "no speech"]
            assert {e["modality"]["speech"] is not None for e in judged} == {voiced}
    async with served(msgspec.structs.replace(config, purpose="work")) as server, ClientSession() as client:
        (error,) = await spoken(client, room(server), b"", purpose="personal")
        assert "recorded for work" in error["error"]
        assert events_of(await spoken(client, room(server), pcm(3.0)))[0]["purpose"] == "work"


async def test_health_and_metrics_tell_how_it_is(config: Config) -> None:
    async with served(config) as server, ClientSession() as client:
        found = events_of(await spoken(client, room(server), pcm(12.0)))
        base = f"http://127.0.0.1:{server.port}"
        async with client.get(f"{base}/health") as answer:
            assert await answer.json() == {"ok": True, "rooms": 0}
        async with client.get(f"{base}/metrics") as answer:
            figures = dict(
                line.rsplit(" ", 1) for line in (await answer.text()).splitlines() if not line.startswith("#")
            )
    finals = sum(e["type"] == "utterance.final" for e in found)
    assert float(figures["livemerc_utterances_total"]) == finals
    assert float(figures["livemerc_encode_seconds_count"]) == finals
    assert float(figures["livemerc_sessions_total"]) == 1
    assert float(figures["livemerc_dropped_seconds_total"]) == 0


async def test_a_room_too_many_is_refused_and_free_again_later(config: Config) -> None:
    async with served(config, Limits(rooms=1)) as server, ClientSession() as client:
        first = await opened(client, room(server, "a"), {"pace": "file"})
        await said(first, is_type("welcome"))
        (error,) = await spoken(client, room(server, "b"), b"")
        assert "all 1 rooms are taken" in error["error"]
        await first.send_json({"type": "end"})
        await rest(first)
        assert is_type("welcome")((await spoken(client, room(server, "b"), pcm(1.0)))[0])


async def test_an_address_that_is_taken_is_told(config: Config) -> None:
    from livemerc.errors import ConfigError
    from livemerc.server.app import Address

    async with served(config) as server:
        with pytest.raises(ConfigError, match="cannot listen"):
            async with served(config, address=Address(port=server.port)):
                pass
    with pytest.raises((WSServerHandshakeError, OSError)):
        async with ClientSession() as client:
            await client.ws_connect(f"{room(server)}/events")
