"""What somebody who speaks waits for: from the last voiced sample to the emotion, to the first words, to listening."""

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

from livemerc.asr.engine import AsrEngine
from livemerc.chain import Monitor
from livemerc.config import SAMPLE_RATE_HZ, Config
from livemerc.events import EmotionEvent, UtteranceFinal, UtterancePartial
from livemerc.measuring import percentiles

_PATIENCE_S = 120.0


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
                if t.total_ms is not None and t.endpoint_wait_ms is not None and not stopped:
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
