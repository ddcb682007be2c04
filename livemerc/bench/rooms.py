"""`livemerc bench rooms`: how many rooms a server on this machine bears, and what one that floods costs the others.

The server runs here, those who speak in a process of their own; each sends the bundled conversation over a WebSocket at
its own pace, begun elsewhere in it. A room counts if nothing of it was dropped, nothing but partials was given up, and
the label comes in time: p95 from the endpoint to the label, by the server's clock.
"""

from __future__ import annotations

import asyncio
import json as json_module
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np

from livemerc import client
from livemerc.asr.engine import AsrEngine
from livemerc.audio.read import read_samples
from livemerc.bench.measuring import DEMO, machine, machine_line, percentiles, progress
from livemerc.bench.streams import GivenWords
from livemerc.config import SAMPLE_RATE_HZ, Config, load_config
from livemerc.errors import ConfigError
from livemerc.events import EmotionEvent, SessionEnd, Status, UtteranceFinal
from livemerc.pipeline.overload import SENTENCES, Level
from livemerc.protocol import Pace
from livemerc.server.app import Address, RoomServer
from livemerc.server.limits import Limits

LIMIT_MS = 1500.0
WITH_WORDS_GIVEN, WITH_A_RECOGNISER = 50, 8
SECONDS, SECONDS_QUICK = 60.0, 15.0
_BLOCK_S = 0.1
_FLOOD = "flood"


def main(rooms: int | None = None, quick: bool = False, json: bool = False) -> int:
    """Measures and prints a table, or one JSON object. rooms: instead of 50 with words given and 8 with a
    recogniser."""
    if rooms is not None and rooms < 1:
        raise ConfigError(f"--rooms {rooms}: at least one room is needed.")
    seconds = SECONDS_QUICK if quick else SECONDS
    config = load_config()
    given, recognised = (WITH_WORDS_GIVEN, WITH_A_RECOGNISER) if rooms is None else (rooms, rooms)
    runs = [
        ("words given", given, GivenWords(), False),
        ("recogniser", recognised, None, False),
        ("recogniser, one more room floods", recognised, None, True),
    ]
    figures: dict[str, Any] = {"machine": machine(), "seconds": seconds, "limit_ms": LIMIT_MS, "runs": []}
    for what, count, engine, flood in runs:
        progress(f"{count} rooms, {what}, {seconds:.0f} s")
        figures["runs"].append({"what": what} | asyncio.run(measure(config, count, seconds, engine, flood=flood)))
    if json:
        print(json_module.dumps(figures))
    else:
        print("\n".join(table(figures)))
    return 0


async def measure(
    config: Config, rooms: int, seconds: float, engine: AsrEngine | None, *, flood: bool = False
) -> dict[str, Any]:
    """One run: `rooms` (and how many of them `count`), `behind_ms` (p50, p95, n) over all, `slowest_room_ms` (the worst
    room's p95), `utterances`, `dropped_s`, `degraded` (sentences), `cores` (CPU seconds a second of the server)."""
    server = RoomServer(config, Address(port=0), Limits(rooms=rooms + 1), engine=engine)
    ready = asyncio.Event()
    running = asyncio.create_task(server.run(ready.set))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    command = [sys.executable, "-m", "livemerc.bench.rooms", server.url, str(rooms), str(seconds), str(int(flood))]
    began, cpu = time.perf_counter(), time.process_time()
    speaking = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    out, _ = await speaking.communicate()
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    server.stop()
    await running
    if speaking.returncode:
        raise RuntimeError(f"those who speak have failed ({speaking.returncode})")
    heard = json_module.loads(out)
    behind = [one["behind_ms"] for one in heard if one["behind_ms"]]
    return {
        "rooms": rooms,
        "count": sum(_counts(one) for one in heard),
        "utterances": sum(one["utterances"] for one in heard),
        "behind_ms": percentiles([ms for one in behind for ms in one]),
        "slowest_room_ms": max(percentiles(one)["p95"] for one in behind),
        "dropped_s": sum(one["dropped_s"] for one in heard),
        "degraded": sorted({sentence for one in heard for sentence in one["degraded"]}),
        "cores": cpu_s / wall_s,
    }


def _counts(one: dict[str, Any]) -> bool:
    given_up = set(one["degraded"]) - {SENTENCES[Level.NO_PARTIALS]}
    in_time = bool(one["behind_ms"]) and percentiles(one["behind_ms"])["p95"] < LIMIT_MS
    return in_time and not given_up and one["dropped_s"] == 0


def table(figures: dict[str, Any]) -> list[str]:
    """The figures as lines."""
    lines = [machine_line(figures["machine"]), ""]
    for run in figures["runs"]:
        behind = run["behind_ms"]
        lines += [
            f"{run['rooms']} rooms of {figures['seconds']:.0f} s, {run['what']}",
            f"  count              {run['count']} (nothing dropped or given up but partials, p95 under "
            f"{figures['limit_ms']:.0f} ms)",
            f"  endpoint to label  p50 {behind['p50']:.0f} ms, p95 {behind['p95']:.0f} ms, the slowest room's p95 "
            f"{run['slowest_room_ms']:.0f} ms, {run['utterances']} utterances",
            f"  dropped            {run['dropped_s']:.1f} s; degraded: {'; '.join(run['degraded']) or 'nothing'}",
            f"  server             {run['cores']:.2f} cores",
        ]
    return lines


# -- those who speak, in a process of their own ------------------------------------------------------------------------


async def speak_all(url: str, rooms: int, seconds: float, flood: bool) -> list[dict[str, Any]]:
    """What was heard in each room."""
    samples = read_samples(DEMO, SAMPLE_RATE_HZ)
    pcm = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype("<i2")
    flooding = asyncio.create_task(_flood(url, pcm)) if flood else None
    try:
        return await asyncio.gather(
            *(_speak(url, f"r{n}", np.roll(pcm, -len(pcm) * n // rooms), seconds) for n in range(rooms))
        )
    finally:
        if flooding is not None:
            flooding.cancel()
            await asyncio.wait([flooding])


async def _speak(url: str, room: str, pcm: np.ndarray, seconds: float) -> dict[str, Any]:
    heard: dict[str, Any] = {"behind_ms": [], "utterances": 0, "dropped_s": 0.0, "degraded": []}
    audio = np.resize(pcm, round(seconds * SAMPLE_RATE_HZ)).tobytes()
    async for _, event in _listened(url, room, _at_pace(audio), "live"):
        if isinstance(event, UtteranceFinal):
            heard["utterances"] += 1
        elif isinstance(event, Status) and event.degraded and event.degraded not in heard["degraded"]:
            heard["degraded"].append(event.degraded)
        elif isinstance(event, SessionEnd):
            heard["dropped_s"] = event.dropped_s
        elif isinstance(event, EmotionEvent) and event.timing is not None:
            t = event.timing
            if t.total_ms is not None and t.endpoint_wait_ms is not None:
                heard["behind_ms"].append(t.total_ms - t.endpoint_wait_ms)
    return heard


async def _flood(url: str, pcm: np.ndarray) -> None:
    async for _ in _listened(url, _FLOOD, _over_and_over(pcm.tobytes()), "file"):
        pass


def _listened(
    url: str, room: str, audio: Iterator[bytes] | AsyncIterator[bytes], pace: Pace
) -> AsyncIterator[client.Numbered]:
    return client.speak_async(f"{url}rooms/{room}", audio, SAMPLE_RATE_HZ, pace=pace)


async def _at_pace(audio: bytes) -> AsyncIterator[bytes]:
    """A block is there when its last sample has been spoken."""
    step = 2 * round(_BLOCK_S * SAMPLE_RATE_HZ)
    began_s = time.monotonic()
    for at in range(0, len(audio), step):
        await asyncio.sleep(max(0.0, began_s + (at + step) / 2 / SAMPLE_RATE_HZ - time.monotonic()))
        yield audio[at : at + step]


def _over_and_over(audio: bytes) -> Iterator[bytes]:
    while True:
        yield audio


if __name__ == "__main__":
    _, address, many, long, with_flood = sys.argv
    sys.stdout.write(json_module.dumps(asyncio.run(speak_all(address, int(many), float(long), bool(int(with_flood))))))
