"""Rooms on a Ray cluster of this machine: replicas that die and are replaced, refusals, and who gets in later."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSServerHandshakeError
from helpers.ray_cluster import Served, cluster, ray_or_skip, replicas
from helpers.served import RATE_HZ, blocks, events_of, is_type, pcm, rest, said
from helpers.settled import settled
from helpers.sources import Samples

from livemerc import client
from livemerc.client import Numbered
from livemerc.config import Config, load_config
from livemerc.events import EmotionEvent, Event, SessionEnd, SessionStart, UtteranceFinal
from livemerc.pipeline.monitor import Monitor

ray_or_skip()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(360),
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20"),  # Ray's own
    pytest.mark.filterwarnings("ignore:.*Tip. In future versions of Ray:FutureWarning"),  # about GPUs
]


LENGTH_S = 60.0
"""Of the talk in which a replica dies and all are replaced."""
SETTINGS = """
offline = true

[asr]
engine = "faster-whisper"

[overload]  # a busy machine is late, and gives nothing up
skip_partials_after_s = 600
fast_asr_after_s = 700
speech_only_after_s = 800
unjudged_after_s = 900
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ships: Whisper tiny.en and the compact checkpoint."""
    path = tmp_path_factory.mktemp("settings") / "livemerc.toml"
    path.write_text(SETTINGS)
    return path


@pytest.fixture(scope="module")
def config(settings: Path) -> Config:
    return load_config(settings, environ={})


@pytest.fixture(scope="module")
def rooms(settings: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with cluster():
        yield Served(settings, tmp_path_factory.mktemp("ray") / "journals", replicas=2, most_replicas=2, drain_s=30)


def alone(config: Config, end_s: float) -> list[Event]:
    """What the file itself gives."""
    return settled(Monitor(Samples(end_s), config).events())


def finals(events: list[Event]) -> list[tuple[str, float, float, str]]:
    return [
        (e.utterance_id, round(e.start_s, 6), round(e.end_s, 6), e.text)
        for e in events
        if isinstance(e, UtteranceFinal)
    ]


def labels(events: list[Event]) -> list[tuple[str, str, int, str]]:
    return [
        (e.utterance_id, e.status, e.revision, e.label)
        for e in events
        if isinstance(e, EmotionEvent) and e.status != "partial"
    ]


class Talk:
    """Somebody who speaks the demo into a room at its own pace, and what comes back, each with when it came."""

    def __init__(self, url: str, end_s: float) -> None:
        self.url, self.end_s = url, end_s
        self.found: list[tuple[float, Numbered]] = []

    async def speak(self) -> None:
        async for numbered in client.speak_async(self.url, self._blocks(), RATE_HZ):
            self.found.append((time.monotonic(), numbered))

    async def _blocks(self) -> AsyncIterator[bytes]:
        began_s = time.monotonic()
        for number, block in enumerate(blocks(pcm(self.end_s))):
            await asyncio.sleep(max(0.0, began_s + number * 0.1 - time.monotonic()))
            yield block

    @property
    def events(self) -> list[Event]:
        return [numbered.event for _, numbered in self.found]

    @property
    def silent_s(self) -> float:
        """The longest time in which nothing came: `status` comes twice a second."""
        return max(b - a for (a, _), (b, _) in itertools.pairwise(self.found))


def noted_causes(monkeypatch: pytest.MonkeyPatch) -> list[client._Cause]:
    """Why clients of this process had to try again."""
    causes: list[client._Cause] = []
    real = client._Again.wait

    async def noting(self: client._Again, cause: client._Cause) -> None:
        causes.append(cause)
        await real(self, cause)

    monkeypatch.setattr(client._Again, "wait", noting)
    return causes


def test_the_demo_through_ray_gives_the_files_events(rooms: Served, config: Config) -> None:
    spoken = list(client.speak(rooms.url("demo"), blocks(pcm(60.0)), RATE_HZ, pace="file"))
    wanted, found = alone(config, 60.0), settled(numbered.event for numbered in spoken)
    assert finals(found) == finals(wanted)
    assert labels(found) == labels(wanted)
    assert [numbered.seq for numbered in spoken] == list(range(1, len(spoken) + 1))


async def test_a_replica_that_is_killed_and_a_redeploy_cost_a_reconnect_and_nothing_else(
    rooms: Served, config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    causes = noted_causes(monkeypatch)
    talks = [Talk(rooms.url(f"room{number}"), LENGTH_S) for number in range(8)]
    speaking = [asyncio.create_task(talk.speak()) for talk in talks]
    while not all(any(isinstance(e, UtteranceFinal) for e in talk.events) for talk in talks):
        await asyncio.sleep(0.1)
    first, _ = before = await asyncio.to_thread(replicas, "rooms")
    first.kill()
    killed_s = time.monotonic()
    while not (causes and all(talk.found[-1][0] > killed_s + 5.0 for talk in talks)):
        await asyncio.sleep(0.1)
    cut = len(causes)
    await asyncio.to_thread(rooms.deploy, rooms=17)
    await asyncio.gather(*speaking)
    moved = causes[cut:]
    after = await asyncio.to_thread(replicas, "rooms")
    assert not {one.pid for one in before} & {one.pid for one in after}
    assert "closed with 1012" in [cause.what for cause in moved]
    assert all(cause.busy for cause in moved), "somebody was cut off without a word"
    wanted = finals(alone(config, LENGTH_S))
    for talk in talks:
        assert [numbered.seq for _, numbered in talk.found] == list(range(1, len(talk.found) + 1))
        end = talk.events[-1]
        assert isinstance(end, SessionEnd)
        assert (end.duration_s, end.dropped_s) == (LENGTH_S, 0.0)
        assert finals(talk.events) == wanted
        assert end.utterances == len(wanted)
        said = Counter(labels(talk.events))
        assert set(said.values()) == {1}
        frozen = [name for name, status, *_ in labels(talk.events) if status == "frozen"]
        assert sorted(frozen) == sorted(name for name, *_ in wanted)
        assert sum(isinstance(e, SessionStart) for e in talk.events) == 1
    with capsys.disabled():
        silences = sorted(talk.silent_s for talk in talks)
        print(f"\n8 rooms, a replica killed and a redeploy: silent for {silences[0]:.1f} to {silences[-1]:.1f} s")


async def arrive(http: ClientSession, url: str) -> ClientWebSocketResponse | int:
    """The connection, or the status with which it was refused."""
    try:
        socket = await http.ws_connect(f"{url}/audio?rate={RATE_HZ}")
    except WSServerHandshakeError as error:
        return error.status
    await socket.send_json({"pace": "file"})
    return socket


async def test_of_many_who_come_at_once_nobody_is_refused_while_there_are_places(rooms: Served) -> None:
    async with ClientSession() as http:
        came = await asyncio.gather(*(arrive(http, rooms.url(f"crowd{number}")) for number in range(20)))
        sockets = [one for one in came if not isinstance(one, int)]
        assert [one for one in came if isinstance(one, int)] == []
        for socket in sockets:
            assert (await said(socket, is_type("welcome")))["samples"] == 0
            await socket.send_json({"type": "end"})
        for socket in sockets:
            assert events_of(await rest(socket))[-1]["type"] == "session.end"


async def test_whoever_finds_no_place_is_refused_and_gets_in_as_soon_as_there_is_one(
    rooms: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.to_thread(rooms.deploy, replicas=1, most_replicas=1, connections=2, waiting=1)
    causes = noted_causes(monkeypatch)
    async with ClientSession() as http:
        sockets = [await arrive(http, rooms.url(f"full{number}")) for number in range(2)]
        queued = [asyncio.create_task(arrive(http, rooms.url(f"queued{number}"))) for number in range(3)]
        refused, _ = await asyncio.wait(queued, return_when=asyncio.FIRST_COMPLETED)
        assert {task.result() for task in refused} == {500}
        spoken = asyncio.create_task(collect(rooms.url("later")))
        while not causes:
            await asyncio.sleep(0.05)
        for at, socket in enumerate(sockets):
            assert not isinstance(socket, int), at
            await socket.send_json({"type": "end"})
        for task in queued:
            came = await task
            if not isinstance(came, int):
                await came.send_json({"type": "end"})
        events = await spoken
    assert all(cause.busy for cause in causes)
    assert isinstance(events[-1], SessionEnd)


async def collect(url: str) -> list[Event]:
    async def second() -> AsyncIterator[bytes]:
        yield pcm(1.0)

    return [numbered.event async for numbered in client.speak_async(url, second(), RATE_HZ, pace="file")]
