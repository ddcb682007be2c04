"""`livemerc bench live`: what somebody who speaks waits for. From the last voiced sample to the emotion, to the first
words on the screen, from the start of the program to listening; and what it holds in memory meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from livemerc.asr.engine import AsrEngine
from livemerc.asr.models import BUNDLED_NAME
from livemerc.audio.file_source import FileSource
from livemerc.bench import whisper
from livemerc.bench.measuring import DEMO, Stages, busy_cores, machine, machine_line, over, over_runs, progress
from livemerc.config import SAMPLE_RATE_HZ, Config, load_config
from livemerc.errors import ConfigError
from livemerc.events import EmotionEvent, SessionStart, UtteranceFinal, UtterancePartial
from livemerc.pipeline.monitor import Monitor
from livemerc.text_safety import encodable, plain_text

QUICK_S = 25.0
WHISPER = whisper.BUNDLED_NAME
_PATIENCE_S = 120.0
_MORE_THAN_A_PIPE_BYTES = 1 << 21


def main(
    files: Sequence[Path] = (), model: str | None = None, quick: bool = False, json: bool = False, repeats: int = 1
) -> int:
    """Measures the user's recogniser and a Whisper `model` (a size at hand or a folder, default tiny.en) in both its
    windows, `repeats` times each, and prints a table or one JSON object. Raises `ConfigError`, `InputError`."""
    check(model, repeats)
    figures = measure(list(files) or [DEMO], load_config(), model or BUNDLED_NAME, quick, repeats)
    if json:
        sys.stdout.write(msgspec.json.encode(figures).decode() + "\n")
    else:
        print("\n".join(table(figures)))
    return 0


def check(model: str | None, repeats: int) -> None:
    """Raises `ConfigError` for what cannot be measured, before anything is."""
    if model is not None:
        whisper.folder_of(model)
    if repeats < 1:
        raise ConfigError(f"--repeats {repeats}: at least one run is needed.")


def measure(files: Sequence[Path], config: Config, model: str, quick: bool, repeats: int = 1) -> dict[str, Any]:
    """`start` as `start` gives it, and `rows` and `gpu_memory_mb` as `measure_rows` does."""
    figures: dict[str, Any] = {"machine": machine(), "files": [encodable(file.name) for file in files]}
    progress("from the start of the program to listening")
    figures["start"] = start(1 if quick else 5, files[0])
    windows = ("adaptive",) if quick else ("adaptive", "full")
    return figures | measure_rows(files, config, model, windows, QUICK_S if quick else None, repeats)


def measure_rows(
    files: Sequence[Path], config: Config, model: str, windows: Sequence[str], most_s: float | None, repeats: int
) -> dict[str, Any]:
    """`rows`, as `waits` gives them, by the recogniser's name: the user's own, on a quiet machine and (unless `most_s`)
    with all cores kept busy, and in each of `windows` the Whisper `model`; `gpu_memory_mb` (None without a GPU)."""
    pace = f"at real speed, {repeats} times" if repeats > 1 else "at real speed"
    progress(f"the conversation {pace}, with the recogniser as configured")
    found = [waits(files, config, None, most_s, repeats)]
    if most_s is None:
        progress(f"the conversation {pace}, with all cores kept busy beside it")
        with busy_cores():
            found.append(waits(files, config, None, most_s, repeats) | {"loaded": True})
    for window in windows:
        progress(f"the conversation {pace}, with Whisper {plain_text(model)}, {window} window")
        config_of_it = whisper.looking(config, window)
        found.append(waits(files, config_of_it, whisper.maker(model, config_of_it), most_s, repeats))
    return {"rows": {_title(row): row for row in found}, "gpu_memory_mb": _gpu_memory_mb()}


def _title(row: dict[str, Any]) -> str:
    window = f", {row['window']} window" if row["window"] else ""
    return row["asr"] + window + (", all cores busy" if row.get("loaded") else "")


def _gpu_memory_mb() -> float | None:
    """Held on the GPU by whoever uses it, in MB (2^20 bytes)."""
    import torch

    if not torch.cuda.is_available():
        return None
    free, total = torch.cuda.mem_get_info()
    return (total - free) / 2**20


def table(f: dict[str, Any]) -> list[str]:
    """The figures as lines."""
    files = ", ".join(map(plain_text, f["files"]))
    return [machine_line(f["machine"]), f"{files}, at real speed", "", *start_lines(f["start"]), "", *row_lines(f)]


def start_lines(s: dict[str, float]) -> list[str]:
    """`start` as a person reads it."""
    return [
        f"start-up: listening after {s['listening_s']:.2f} s, models there after "
        f"{s['ready_s']:.1f} s, at most {s['rss_mb']:.0f} MB with all children"
    ]


def row_lines(f: dict[str, Any]) -> list[str]:
    """`measure_rows` as lines."""
    runs = max(row["runs"] for row in f["rows"].values())
    lines = [f"ms, p50 / p95 (n), {over(runs)}:"]
    for title, row in f["rows"].items():
        lines.append(plain_text(title))
        for name, meaning in _TITLES.items():
            v = row[name]
            cells = "-" if v is None else f"{v['p50']:.0f} / {v['p95']:.0f} ({v['n']})"
            lines.append(f"  {meaning:72} {cells:>18}")
        ahead = row["ahead"]
        lines.append(
            f"  done ahead for {ahead['used']} utterances, in vain {ahead['wasted']} times: {ahead['wasted_s']:.1f} s, "
            f"{ahead['share_wasted']:.0%} of the work"
        )
    memory = f["gpu_memory_mb"]
    return [*lines, "no GPU" if memory is None else f"GPU memory {memory:.0f} MB"]


_TITLES = {
    "end_to_emotion": "end of speech to emotion, computation-aware (what the user waits)",
    "endpoint_wait": "  computation-unaware: endpoint wait, the method's own latency alone",
    "after_wait": "  the difference: computation that the wait did not hide",
    "first_partial": "begin of speech to the first words, computation-aware",
    "first_partial_estimate": "begin of speech to the first estimate by voice, computation-aware",
}


def waits(
    files: Sequence[Path],
    config: Config,
    make_asr: Callable[[], AsrEngine] | None = None,
    most_s: float | None = None,
    repeats: int = 1,
) -> dict[str, Any]:
    """Plays `files` at their own pace, each a session whose models are loaded, all of them `repeats` times. p50 and p95
    (the medians over the runs of each run's own) and n, in milliseconds from the last voiced sample:

    `end_to_emotion` with the endpoint wait, `endpoint_wait` alone, `after_wait` = their difference: what of the work
    could not be hidden behind the wait. From the first voiced sample: `first_partial` to the first words on the screen,
    `first_partial_estimate` to the first estimate of the open utterance by its voice. None = there was none. `ahead`
    {used, wasted, wasted_s, share_wasted}, over all runs: work done during hangovers.

    make_asr: gives a recogniser for each session (default: the configured one). most_s: no more of each file.
    """
    runs: list[Stages] = []
    ahead: dict[str, float] = {"used": 0, "wasted": 0, "wasted_s": 0.0}
    worked_s, engine = 0.0, ""
    for _ in range(repeats):
        runs.append({})
        for file in files:
            source = FileSource(file, speed=1.0)
            source.hold(True)  # loading is measured apart
            monitor = Monitor(source, config, engine=make_asr)
            engine, spent_s = _one_session(monitor, source, most_s, runs[-1])
            worked_s += spent_s
            speculation = monitor.speculation
            if speculation is not None:
                ahead["used"] += speculation.used
                ahead["wasted"] += speculation.wasted
                ahead["wasted_s"] += speculation.wasted_s
    all_s = ahead["wasted_s"] + worked_s
    return {
        "asr": engine,
        "window": config.asr.window if "whisper" in engine else None,
        "runs": repeats,
        **dict.fromkeys(_TITLES),
        **over_runs(runs),
        "ahead": ahead | {"share_wasted": ahead["wasted_s"] / all_s if all_s else 0.0},
    }


def _one_session(monitor: Monitor, source: FileSource, most_s: float | None, run: Stages) -> tuple[str, float]:
    """Adds its times to `run`. The recogniser's name, and the seconds of recogniser and encoders that came to use."""
    endpoint = monitor.config.endpoint
    shortest_ms = min(endpoint.tail_ms, endpoint.long_hangover_ms)
    first_s: dict[tuple[str, str], float] = {}
    engine, worked_s, end_s, stopped = "", 0.0, 0.0, False
    for event in monitor.events():
        now_s = time.monotonic()
        if isinstance(event, SessionStart):
            source.hold(False)
        elif isinstance(event, UtterancePartial):
            first_s.setdefault(("first_partial", event.utterance_id), now_s)
        elif isinstance(event, UtteranceFinal):
            engine = f"{event.asr.engine} {event.asr.model or ''}".rstrip()
            end_s = event.end_s
            began_s = monitor.passed_at(event.start_s)
            for name in ("first_partial", "first_partial_estimate"):
                seen_s = first_s.get((name, event.utterance_id))
                if seen_s is not None and began_s is not None:
                    run.setdefault(name, []).append((seen_s - began_s) * 1000)
        elif isinstance(event, EmotionEvent) and event.status == "partial":
            first_s.setdefault(("first_partial_estimate", event.utterance_id), now_s)
        elif isinstance(event, EmotionEvent) and event.status == "provisional" and event.timing is not None:
            t = event.timing
            worked_s += ((t.asr_ms or 0.0) + (t.encode_ms or 0.0)) / 1000
            # the end of a file that ends in speech is no endpoint: nobody waits there
            waited = t.endpoint_wait_ms is not None and t.endpoint_wait_ms >= shortest_ms
            if t.total_ms is not None and t.endpoint_wait_ms is not None and waited and not stopped:
                run.setdefault("end_to_emotion", []).append(t.total_ms)
                run.setdefault("endpoint_wait", []).append(t.endpoint_wait_ms)
                run.setdefault("after_wait", []).append(t.total_ms - t.endpoint_wait_ms)
            if most_s is not None and end_s >= most_s and not stopped:
                stopped = True
                monitor.stop()
    return engine, worked_s


def start(repeats: int, speech: Path, arguments: Sequence[str] = ()) -> dict[str, float]:
    """Medians over fresh processes of `livemerc run --stdin --json`: seconds from the start of the process until it
    takes samples off its input (`listening_s`) and until `session.start` says that the models are there (`ready_s`);
    `rss_mb`, the most that it and its children held together at any moment (2^20 bytes) while it heard half a minute of
    `speech`."""
    from livemerc.audio.read import read_samples

    pcm = (read_samples(speech, SAMPLE_RATE_HZ, 0.0, 30.0) * 32767).astype("<i2").tobytes()
    found = [_one_start(arguments, pcm) for _ in range(repeats)]
    return {name: sorted(one[name] for one in found)[len(found) // 2] for name in found[0]}


def _one_start(arguments: Sequence[str], pcm: bytes) -> dict[str, float]:
    command = [sys.executable, "-m", "livemerc", "run", "--stdin", "--json", "--offline", *arguments]
    out: dict[str, float] = {}
    with tempfile.TemporaryFile() as errors:
        began = time.monotonic()
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
        assert child.stdin is not None
        assert child.stdout is not None
        feeder = threading.Thread(target=_feed, args=(child, out, began, pcm), daemon=True)
        feeder.start()
        try:
            with _watched(child.pid) as most:
                first = child.stdout.readline()
                out["ready_s"] = time.monotonic() - began
                if not first:
                    child.wait(_PATIENCE_S)
                    errors.seek(0)
                    raise RuntimeError(f"livemerc run ended: {errors.read().decode(errors='replace').strip()}")
                child.stdout.read()
            out["rss_mb"] = most[0] / 2**20
        finally:
            child.kill()
            child.wait()
            feeder.join(_PATIENCE_S)
            child.stdout.close()
            with contextlib.suppress(OSError):  # what it had not read
                child.stdin.close()
    return out


def _feed(child: subprocess.Popen[bytes], out: dict[str, float], began: float, pcm: bytes) -> None:
    """A pipe is filled before anybody reads; the first write that finds room again tells that somebody does. Then
    `pcm`, as fast as it goes."""
    assert child.stdin is not None
    descriptor = child.stdin.fileno()
    os.set_blocking(descriptor, False)
    silence = b"\0" * 4096
    full, sent = False, 0
    while child.poll() is None:
        try:
            sent += os.write(descriptor, silence)
        except BlockingIOError:
            full = True
            time.sleep(0.005)
            continue
        except OSError:
            return
        if full or sent > _MORE_THAN_A_PIPE_BYTES:  # the latter where it began to read before the pipe was full
            break
    out["listening_s"] = time.monotonic() - began
    os.set_blocking(descriptor, True)
    with contextlib.suppress(OSError):  # it has ended: whoever reads its output tells
        child.stdin.write(pcm)
        child.stdin.close()


@contextlib.contextmanager
def _watched(pid: int) -> Iterator[list[float]]:
    """The most bytes that a process and its children hold together, looked at twenty times a second."""
    import psutil

    most, ended = [0.0], threading.Event()

    def look() -> None:
        this = psutil.Process(pid)
        while not ended.wait(0.05):
            with contextlib.suppress(psutil.Error):  # a child that has just ended
                held = sum(one.memory_info().rss for one in (this, *this.children(recursive=True)))
                most[0] = max(most[0], held)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield most
    finally:
        ended.set()
        thread.join()
