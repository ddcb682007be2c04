"""`livemerc bench streams`: how many conversations this machine follows at once, and how far behind each is.

Voice activity, endpointing, both encoders and Stages II and III run for every stream; the words are given, eighteen an
utterance. `LEFT_OUT` names what a single session does besides. The streams are the bundled conversation, each begun
elsewhere in it.

As fast as it goes, utterances pile up and share passes of the model, so more conversations fit than at their own pace:
how many keep up as they are spoken is measured apart.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from livemerc.asr.engine import Transcript
from livemerc.audio.items import Utterance
from livemerc.audio.read import read_samples
from livemerc.audio.source import Block, SourceHealth
from livemerc.bench.measuring import DEMO, machine, machine_line, over, percentiles, progress
from livemerc.bench.model import SENTENCES
from livemerc.config import SAMPLE_RATE_HZ, Config, load_config
from livemerc.errors import ConfigError
from livemerc.events import EmotionEvent, SessionEnd, UtteranceFinal
from livemerc.streams.streams import Streams

STREAMS = 40
SECONDS, SECONDS_QUICK = 60.0, 15.0
PROBE_S, PROBE_QUICK_S = 20.0, 8.0
"""How long each number of conversations is tried, in search of the largest that keeps up."""
LIMIT_MS = 300.0
"""At their own pace conversations keep up while the label comes so soon after the endpoint, p95 over all."""
LEFT_OUT = (
    "the recogniser (words are given)",
    "hypotheses while somebody speaks",
    "estimates by voice while somebody speaks",
    "work ahead during the hangover",
)
"""What `Streams` does not do, or what is not measured here; a single session does all of it."""
_STEP = 16
"""The search ends when what is too many is within a 16th of what is not."""
_BLOCK_S = 0.1


class Rolled:
    """`seconds` of `samples` (16 kHz) from sample `start` on, over and over; at their own pace, or as fast as taken.

    Nothing is heard before `go`: what is heard while the models load would be had for nothing."""

    speakers: tuple[str, ...] = ()

    def __init__(self, name: str, samples: np.ndarray, start: int, seconds: float, live: bool, go: threading.Event):
        self.name, self.rate_hz, self.live, self.warnings = name, SAMPLE_RATE_HZ, live, list[str]()
        self._samples = np.resize(np.roll(samples, -start), round(seconds * SAMPLE_RATE_HZ))
        self._go, self._closed = go, threading.Event()

    def blocks(self) -> Iterator[Block]:
        size = round(_BLOCK_S * SAMPLE_RATE_HZ)
        self._go.wait()
        began_s = time.monotonic()
        for at in range(0, len(self._samples), size):
            block = self._samples[at : at + size]
            if self.live:  # a block is there when its last sample has been spoken
                due_s = began_s + (at + len(block)) / SAMPLE_RATE_HZ
                self._closed.wait(max(0.0, due_s - time.monotonic()))
            if self._closed.is_set():
                return
            yield Block(block, at / SAMPLE_RATE_HZ)

    def close(self) -> None:
        self._closed.set()
        self._go.set()

    def health(self) -> SourceHealth:
        return SourceHealth()


class GivenWords:
    """A recogniser that takes no time: what it costs is another benchmark's affair."""

    engine = "given"
    model: str | None = None

    def transcribe(self, utterance: Utterance) -> Transcript:
        return Transcript(text=SENTENCES[round(1000 * utterance.start_s) % len(SENTENCES)], confidence=0.9)

    def partial(self, samples: np.ndarray) -> str:
        return ""

    def close(self) -> None:
        pass


def main(streams: int | None = None, quick: bool = False, json: bool = False) -> int:
    """Measures and prints a table, or one JSON object. `quick`: 15 s instead of 60, one run instead of three."""
    check(streams)
    seconds, probe_s, runs = (SECONDS_QUICK, PROBE_QUICK_S, 1) if quick else (SECONDS, PROBE_S, 3)
    config = load_config(overrides={"live.partial_emotion_budget_ms": 0.0})
    figures = {"machine": machine()} | measure(STREAMS if streams is None else streams, seconds, runs, config, probe_s)
    figures["machine"]["compute"] = f"{_threads()}, {config.model.precision}"
    if json:
        import msgspec

        sys.stdout.write(msgspec.json.encode(figures).decode() + "\n")
    else:
        for line in table(figures):
            print(line)
    return 0


def check(streams: int | None) -> None:
    """Raises `ConfigError` for no stream."""
    if streams is not None and streams < 1:
        raise ConfigError(f"--streams {streams}: at least one stream is needed.")


def measure(streams: int, seconds: float, runs: int, config: Config, probe_s: float | None = None) -> dict[str, Any]:
    """`real_pace`: `streams` conversations of `seconds` as they are spoken; `as_fast`: the same as fast as it goes,
    the median of `runs`: how many there could be if nobody minded when; `capacity` (with `probe_s`): how many keep up
    at their own pace, as `capacity` finds it; `left_out`: what is in none of them."""
    samples = read_samples(DEMO, SAMPLE_RATE_HZ)
    figures: dict[str, Any] = {"streams": streams, "seconds": seconds, "runs": runs, "left_out": list(LEFT_OUT)}
    one_run(config, samples, 2, 5.0, live=False)  # warm-up
    fast = []
    for run in range(runs):
        progress(f"{streams} conversations at once, as fast as it goes, run {run + 1} of {runs}")
        fast.append(one_run(config, samples, streams, seconds, live=False))
    figures["as_fast"] = {key: statistics.median(run[key] for run in fast) for key in ("wall_s", "cpu_s")}
    figures["as_fast"]["conversations"] = streams * seconds / figures["as_fast"]["wall_s"]
    progress(f"{streams} conversations at once, at their own pace, {seconds:.0f} s")
    figures["real_pace"] = one_run(config, samples, streams, seconds, live=True)
    if probe_s is not None:

        def behind_ms(count: int) -> float:
            progress(f"{count} conversations at once, at their own pace, {probe_s:.0f} s")
            return float(one_run(config, samples, count, probe_s, live=True)["behind_ms"]["p95"])

        known = {streams: figures["real_pace"]["behind_ms"]["p95"]}
        figures["capacity"] = {"probe_s": probe_s} | capacity(
            behind_ms, max(1, int(figures["as_fast"]["conversations"])), known
        )
    return figures


def capacity(behind_ms: Callable[[int], float], most: int, known: Mapping[int, float]) -> dict[str, Any]:
    """The largest number of conversations at their own pace whose p95 from the endpoint to the label is at most
    `LIMIT_MS`, by halving between 0 and `most` (as many as go as fast as it goes: they cannot be more), to within a
    16th; each number is tried once. `conversations` (0 = not even one), `p95_ms` at that number (None at 0), `tried`.

    behind_ms: the p95 of so many. known: p95 of numbers that were tried already.
    """
    tried = dict(known)
    good = max((n for n, ms in tried.items() if ms <= LIMIT_MS), default=0)
    too_many = min((n for n, ms in tried.items() if ms > LIMIT_MS), default=max(most, good) + 1)
    while too_many - good > max(1, good // _STEP):
        count = (good + too_many) // 2
        tried[count] = behind_ms(count)
        if tried[count] <= LIMIT_MS:
            good = count
        else:
            too_many = count
    return {
        "conversations": good,
        "limit_ms": LIMIT_MS,
        "p95_ms": tried.get(good),
        "tried": [{"conversations": n, "p95_ms": ms} for n, ms in sorted(tried.items())],
    }


def _threads() -> str:
    import torch

    threads = torch.get_num_threads()
    return f"{threads} torch thread{'s' if threads > 1 else ''}"


def one_run(config: Config, samples: np.ndarray, streams: int, seconds: float, *, live: bool) -> dict[str, Any]:
    """`wall_s` and `cpu_s` from the first session.start on, `utterances`, `mean_batch`, and of live streams `behind_ms`
    (p50, p95, n: from the decided endpoint to the label), `slowest_stream_ms` (the worst stream's p95)
    and `cores` (CPU seconds a second)."""
    go = threading.Event()
    sources = {f"{i}": Rolled(f"{i}", samples, len(samples) * i // streams, seconds, live, go) for i in range(streams)}
    running = Streams(sources, config, engines=GivenWords())
    behind: dict[str, list[float]] = defaultdict(list)
    began = cpu = 0.0
    utterances = ended = 0
    for stream, event in running.events():
        if not go.is_set():  # the models are loaded
            began, cpu = time.perf_counter(), time.process_time()
            go.set()
        utterances += isinstance(event, UtteranceFinal)
        ended += isinstance(event, SessionEnd)
        t = event.timing if isinstance(event, EmotionEvent) else None
        if t is not None and t.total_ms is not None and t.endpoint_wait_ms is not None:
            behind[stream].append(t.total_ms - t.endpoint_wait_ms)
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    if running.failures or ended != streams:
        raise RuntimeError(f"{streams - ended} streams did not end, {len(running.failures)} failed")
    passes = sum(running.batches.values())
    out: dict[str, Any] = {
        "wall_s": wall_s, "cpu_s": cpu_s, "utterances": utterances, "mean_batch": utterances / max(passes, 1),
    }  # fmt: skip
    if live:
        out["behind_ms"] = percentiles([ms for each in behind.values() for ms in each])
        out["slowest_stream_ms"] = max(percentiles(each)["p95"] for each in behind.values())
        out["cores"] = cpu_s / wall_s
    return out


def table(f: dict[str, Any]) -> list[str]:
    """The figures as lines."""
    return [machine_line(f["machine"]), "", *lines(f)]


def lines(f: dict[str, Any]) -> list[str]:
    """`measure` as lines."""
    fast, real = f["as_fast"], f["real_pace"]
    behind = real["behind_ms"]
    return [
        f"{f['streams']} conversations of {f['seconds']:.0f} s",
        *(f"{'left out' if i == 0 else '':19} {one}" for i, one in enumerate(f["left_out"])),
        f"as fast as it goes   {fast['wall_s']:.1f} s: {fast['conversations']:.0f} conversations in real time "
        f"({over(f['runs'])})",
        f"at their own pace    {real['cores']:.2f} cores, {real['utterances']} utterances, "
        f"{real['mean_batch']:.1f} in a pass of the model",
        f"endpoint to label    p50 {behind['p50']:.0f} ms, p95 {behind['p95']:.0f} ms, "
        f"the slowest stream's p95 {real['slowest_stream_ms']:.0f} ms",
        *(_capacity_lines(f["capacity"]) if "capacity" in f else []),
    ]


def _capacity_lines(c: dict[str, Any]) -> list[str]:
    tried = ", ".join(f"{one['conversations']}: {one['p95_ms']:.0f}" for one in c["tried"])
    return [
        f"keep up             {c['conversations']} conversations at their own pace: p95 at most {c['limit_ms']:.0f} ms",
        f"  found by halving, {c['probe_s']:.0f} s each, once; conversations: p95 ms  {tried}",
    ]
