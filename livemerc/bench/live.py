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
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from livemerc.asr.engine import AsrEngine
from livemerc.audio.items import Utterance
from livemerc.bench import whisper
from livemerc.bench.measuring import DEMO, machine, machine_line, percentiles
from livemerc.chain import Monitor
from livemerc.config import SAMPLE_RATE_HZ, Config, load_config
from livemerc.errors import ConfigError
from livemerc.events import EmotionEvent, UtteranceFinal, UtterancePartial
from livemerc.text_safety import encodable, plain_text

QUICK_S = 25.0
_PATIENCE_S = 120.0


def main(files: Sequence[Path] = (), model: str | None = None, quick: bool = False, json: bool = False) -> int:
    """Measures the user's recogniser and a Whisper `model` (a size of `whisper.SIZES`, default base) in both its
    windows, and prints a table or one JSON object. Raises `ConfigError`, `InputError`."""
    if model is not None and model not in whisper.SIZES:
        raise ConfigError(f"--model of `livemerc bench live` is one of {', '.join(whisper.SIZES)}.")
    figures = measure(list(files) or [DEMO], load_config(), model or "base", quick)
    if json:
        sys.stdout.write(msgspec.json.encode(figures).decode() + "\n")
    else:
        print("\n".join(table(figures)))
    return 0


def measure(files: Sequence[Path], config: Config, size: str, quick: bool) -> dict[str, Any]:
    """`start` as `start` gives it, `rows` as `waits` gives them, `gpu_memory_mb` (None without a GPU)."""
    figures: dict[str, Any] = {"machine": machine(), "files": [encodable(file.name) for file in files]}
    figures["start"] = start(1 if quick else 5, files[0])
    most_s = QUICK_S if quick else None
    rows = [waits(files, config, None, most_s)]
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        converted = whisper.build(size, Path(folder))
        for window in ("adaptive",) if quick else ("adaptive", "full"):
            looking = msgspec.structs.replace(config, asr=msgspec.structs.replace(config.asr, window=window))
            asr = whisper.RandomWhisper(converted, size, looking.asr)
            asr.transcribe(_any_utterance())  # first calls allocate
            rows.append(waits(files, looking, asr, most_s))
    return figures | {"rows": rows, "gpu_memory_mb": _gpu_memory_mb()}


def _any_utterance() -> Utterance:
    return Utterance("u1", np.zeros(SAMPLE_RATE_HZ, np.float32), 0.0, 0.0, 1.0, 1.0, False)


def _gpu_memory_mb() -> float | None:
    """Held on the GPU by whoever uses it, in MB (2^20 bytes)."""
    import torch

    if not torch.cuda.is_available():
        return None
    free, total = torch.cuda.mem_get_info()
    return (total - free) / 2**20


def table(f: dict[str, Any]) -> list[str]:
    """The figures as lines."""
    s = f["start"]
    lines = [
        machine_line(f["machine"]),
        ", ".join(map(plain_text, f["files"])) + ", at its own pace",
        "",
        f"start-up with pocketsphinx: listening after {s['listening_s']:.2f} s, models there after "
        f"{s['ready_s']:.1f} s, at most {s['rss_mb']:.0f} MB with all children",
        "",
        "ms: p50 / p95 (n)",
    ]
    for row in f["rows"]:
        lines.append(plain_text(row["asr"]) + (f", {row['window']} window" if row["window"] else ""))
        for name, title in _TITLES.items():
            v = row[name]
            cells = "-" if v is None else f"{v['p50']:.0f} / {v['p95']:.0f} ({v['n']})"
            lines.append(f"  {title:58} {cells:>20}")
        ahead = row["ahead"]
        lines.append(
            f"  done ahead for {ahead['used']} utterances, in vain {ahead['wasted']} times: {ahead['wasted_s']:.1f} s, "
            f"{ahead['share_wasted']:.0%} of the work"
        )
    if f["gpu_memory_mb"] is not None:
        lines.append(f"GPU memory {f['gpu_memory_mb']:.0f} MB")
    return lines


_TITLES = {
    "end_to_emotion": "end of speech to emotion",
    "endpoint_wait": "  of it the endpoint wait (silence that ends an utterance)",
    "after_wait": "  and after that",
    "first_partial": "begin of speech to the first words",
}


class _Given(Monitor):
    """A session with a recogniser that is there already, or with the one that is chosen."""

    given: AsrEngine | None = None

    def _load_asr(self) -> AsrEngine | None:
        return super()._load_asr() if self.given is None else self.given


def waits(
    files: Sequence[Path], config: Config, asr: AsrEngine | None = None, most_s: float | None = None
) -> dict[str, Any]:
    """Plays `files` at their own pace, each a session. Milliseconds (p50, p95, n) from the last voiced sample:

    `end_to_emotion` with the endpoint wait, `endpoint_wait` alone, `after_wait` = their difference: what of the work
    could not be hidden behind the wait; `first_partial` from the first voiced sample to the first words on the screen;
    and `ahead` {used, wasted, wasted_s, share_wasted}: work done during hangovers. `most_s`: no more of each file.
    """
    from livemerc.audio.file_source import FileSource

    shortest_ms = min(config.endpoint.tail_ms, config.endpoint.long_hangover_ms)
    total: list[float] = []
    wait: list[float] = []
    partials: list[float] = []
    used, wasted, wasted_s, worked_s = 0, 0, 0.0, 0.0
    engine = ""
    for file in files:
        monitor = _Given(FileSource(file, speed=1.0), config, demo=True)  # demo: fetches nothing
        monitor.given = asr
        seen: set[str] = set()
        stopped = False
        for event in monitor.events():
            now_s = time.monotonic()
            if isinstance(event, UtterancePartial) and event.utterance_id not in seen:
                seen.add(event.utterance_id)
                began_s = monitor.passed_at(event.start_s)
                if began_s is not None:
                    partials.append((now_s - began_s) * 1000)
            elif isinstance(event, UtteranceFinal):
                engine = f"{event.asr.engine} {event.asr.model or ''}".rstrip()
                if most_s is not None and event.end_s >= most_s and not stopped:
                    stopped = True
                    monitor.stop()
            elif isinstance(event, EmotionEvent) and event.status == "provisional" and event.timing is not None:
                t = event.timing
                worked_s += ((t.asr_ms or 0.0) + (t.encode_ms or 0.0)) / 1000
                # the end of a file that ends in speech is no endpoint: nobody waits there
                waited = t.endpoint_wait_ms is not None and t.endpoint_wait_ms >= shortest_ms
                if t.total_ms is not None and t.endpoint_wait_ms is not None and waited and not stopped:
                    total.append(t.total_ms)
                    wait.append(t.endpoint_wait_ms)
        ahead = monitor.ahead
        if ahead is not None:
            used, wasted, wasted_s = used + ahead.used, wasted + ahead.wasted, wasted_s + ahead.wasted_s
    figures: dict[str, Any] = {"asr": engine, "window": config.asr.window if "whisper" in engine else None}
    after = [a - b for a, b in zip(total, wait, strict=True)]
    for name, values in (
        ("end_to_emotion", total), ("endpoint_wait", wait), ("after_wait", after), ("first_partial", partials)
    ):  # fmt: skip
        figures[name] = percentiles(values) if values else None
    share = wasted_s / (wasted_s + worked_s) if wasted_s + worked_s else 0.0
    figures["ahead"] = {"used": used, "wasted": wasted, "wasted_s": wasted_s, "share_wasted": share}
    return figures


def start(repeats: int, speech: Path, arguments: Sequence[str] = ("--asr", "pocketsphinx")) -> dict[str, float]:
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
    full = False
    while child.poll() is None:
        try:
            os.write(descriptor, silence)
        except BlockingIOError:
            full = True
            time.sleep(0.005)
            continue
        except OSError:
            return
        if full:
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
