"""`livemerc bench soak`: one long session at real speed; does memory grow, does it fall behind, is anything lost?"""

from __future__ import annotations

import itertools
import resource
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from livemerc.audio.file_source import FileSource
from livemerc.audio.source import Block, SourceHealth
from livemerc.bench.measuring import DEMO, machine, percentiles
from livemerc.config import load_config
from livemerc.errors import ConfigError, InputError

SAMPLE_EVERY_S = 5.0
WARM_UP_S = 600.0
"""Allocators, caches and the dialogue window fill up first: slopes begin here, or after a third of a short run."""


class LoopSource:
    """Files one after the other, over and over, at real pace for `seconds`: a live source of one sample rate.

    Each block is due when its last sample would have sounded, counted from the first block, so that lateness cannot
    hide. Like a microphone it keeps no more than `ring_s` for a listener that is behind: what is older counts as
    dropped. Raises `InputError` for a file that cannot be read, or files of different sample rates.
    """

    def __init__(self, paths: Sequence[Path], seconds: float, ring_s: float, block_ms: float = 20.0) -> None:
        self._paths = list(paths)
        self._block_ms = block_ms
        rates = set()
        for path in self._paths:
            source = FileSource(path, speed=0, block_ms=block_ms)
            rates.add(source.rate_hz)
            source.close()
        if len(rates) != 1:
            raise InputError(f"the files have different sample rates ({sorted(rates)} Hz); give files of one rate.")
        self.rate_hz = rates.pop()
        self.name = f"loop:{self._paths[0].name}" + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")
        self.live = True
        self.speakers: tuple[str, ...] = ()
        self.warnings: list[str] = []
        self.latest_s = 0.0
        """The longest that a block waited for the listener after it was due."""
        self._ring_s = ring_s
        self._seconds = seconds
        self._dropped_s = 0.0
        self._closed = threading.Event()

    def blocks(self) -> Iterator[Block]:
        begin_s = time.monotonic()
        t_s = gap_s = 0.0
        for path in itertools.cycle(self._paths):
            source = FileSource(path, speed=0, block_ms=self._block_ms)
            try:
                for block in source.blocks():
                    length_s = len(block.samples) / self.rate_hz
                    late_s = time.monotonic() - (begin_s + t_s + length_s)
                    self.latest_s = max(self.latest_s, late_s)
                    if late_s < 0:
                        self._closed.wait(-late_s)
                    if self._closed.is_set():
                        return
                    if late_s > self._ring_s:
                        gap_s += length_s
                        self._dropped_s += length_s
                    else:
                        yield Block(block.samples, t_s, gap_s=gap_s)
                        gap_s = 0.0
                    t_s += length_s
                    if t_s >= self._seconds:
                        return
            finally:
                source.close()

    def close(self) -> None:
        self._closed.set()

    def health(self) -> SourceHealth:
        return SourceHealth(dropped_s=self._dropped_s)


def main(minutes: float = 60.0, files: Sequence[Path] = (), json: bool = False) -> int:
    """Runs, with a line a minute on standard error, and prints the figures. Ctrl+C ends it early, with figures."""
    if not minutes > 0:
        raise ConfigError("--minutes must be a positive number.")
    figures = measure(minutes * 60, files or [DEMO])
    if json:
        import msgspec

        sys.stdout.write(msgspec.json.encode(figures).decode() + "\n")
    else:
        print("\n".join(table(figures)))
    return 0


def measure(seconds: float, files: Sequence[Path]) -> dict[str, Any]:
    """One session of `seconds` with the user's settings. Times in s, latency in ms, memory in MB (2^20 bytes)."""
    import psutil

    from livemerc.events import EmotionEvent, SessionEnd, Status, UtteranceFinal
    from livemerc.pipeline.monitor import Monitor
    from livemerc.runtime import process

    config = load_config()
    source = LoopSource(files, seconds, config.audio.ring_s, config.audio.block_ms)
    this = psutil.Process()
    rows: list[tuple[float, float, float, float]] = []  # time, RSS, lag, load
    totals: list[float] = []
    finals = 0
    worded: set[str] = set()
    late: set[str] = set()  # its words came after its final: the session was behind
    degraded: set[str] = set()
    end: SessionEnd | None = None
    monitor = Monitor(source, config)
    began = time.monotonic()
    with process.StopOnSignal() as signals:
        signals.call(monitor.stop)
        for event in monitor.events():
            now = time.monotonic() - began
            if isinstance(event, Status):
                if event.degraded:
                    degraded.add(event.degraded)
                if not rows or now - rows[-1][0] >= SAMPLE_EVERY_S:
                    rows.append((now, this.memory_info().rss / 2**20, event.lag_s, psutil.getloadavg()[0]))
                    if int(now // 60) > int((rows[-2][0] if len(rows) > 1 else now) // 60):
                        print(
                            f"{now / 60:4.0f} min  RSS {rows[-1][1]:.0f} MB  lag {event.lag_s:.1f} s  "
                            f"dropped {event.dropped_s:.1f} s  utterances {finals}  load {rows[-1][3]:.1f}",
                            file=sys.stderr, flush=True,
                        )  # fmt: skip
            elif isinstance(event, UtteranceFinal):
                finals += 1
                if event.text:
                    worded.add(event.utterance_id)
            elif isinstance(event, EmotionEvent):
                if event.late_text:
                    late.add(event.utterance_id)
                if event.timing is not None and event.timing.total_ms is not None:
                    totals.append(event.timing.total_ms)
            elif isinstance(event, SessionEnd):
                end = event
    ran_s = time.monotonic() - began
    assert end is not None  # the last event of a session
    return summary(rows, ran_s) | {
        "machine": machine(),
        "source": source.name,
        "asr": monitor.announcements[-1] if monitor.announcements else None,
        "audio_s": end.duration_s,
        "utterances": finals,
        "with_words": len(worded | late),
        "with_late_words": len(late - worded),
        "dropped_s": end.dropped_s,
        "latest_s": max(0.0, source.latest_s),
        "degraded": sorted(degraded),
        "total_ms": percentiles(totals) if totals else None,
        "cpu_s": sum(resource.getrusage(resource.RUSAGE_SELF)[:2]),
    }


def summary(rows: Sequence[tuple[float, float, float, float]], ran_s: float) -> dict[str, Any]:
    """Slopes an hour by least squares after the warm-up; None with fewer than three samples there.

    rows: (time s, RSS MB, lag s, load) in order.
    """
    warm_up_s = min(WARM_UP_S, ran_s / 3)
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    warm = table[table[:, 0] >= warm_up_s]
    slopes = [float(np.polyfit(warm[:, 0] / 3600, warm[:, i], 1)[0]) for i in (1, 2)] if len(warm) >= 3 else [None] * 2
    return {
        "ran_s": ran_s,
        "warm_up_s": warm_up_s,
        "rss_slope_mb_per_h": slopes[0],
        "lag_slope_s_per_h": slopes[1],
        "rss_mb": _span(table[:, 1], warm[:, 1]),
        "lag_s": percentiles(list(map(float, warm[:, 2]))) | {"max": float(warm[:, 2].max())} if len(warm) else None,
        "load_mean": float(table[:, 3].mean()) if len(table) else None,
    }


def _span(everything: np.ndarray, warm: np.ndarray) -> dict[str, float] | None:
    if not len(warm):
        return None
    return {"warm": float(warm[0]), "end": float(warm[-1]), "max": float(everything.max())}


def table(f: dict[str, Any]) -> list[str]:
    """The figures as lines."""
    m = f["machine"]
    lines = [
        f"{m['processor']}, {m['cores']} cores, mean load {_or_dash(f['load_mean'], '.1f')}, {m['system']}, "
        f"Python {m['python']}",
        f"{f['source']}: {f['ran_s'] / 60:.1f} min at real speed, {f['audio_s']:.0f} s of audio, "
        f"{f['utterances']} utterances, {f['with_words']} with words ({f['with_late_words']} late)",
        f"{f['asr'] or ''}",
        "",
        f"memory      {_or_dash(f['rss_slope_mb_per_h'], '+.1f')} MB an hour after {f['warm_up_s'] / 60:.0f} min",
        f"lag         {_or_dash(f['lag_slope_s_per_h'], '+.2f')} s an hour",
        f"dropped     {f['dropped_s']:.1f} s; a block waited {f['latest_s']:.2f} s at most",
        f"processor   {f['cpu_s'] / f['ran_s']:.2f} of a core",
    ]
    if f["rss_mb"] is not None:
        rss, lag = f["rss_mb"], f["lag_s"]
        lines[4] += f": {rss['warm']:.0f} to {rss['end']:.0f}, {rss['max']:.0f} at most"
        lines[5] += f": p50 {lag['p50']:.2f}, p95 {lag['p95']:.2f}, {lag['max']:.2f} at most"
    if f["total_ms"] is not None:
        t = f["total_ms"]
        lines.append(f"latency     p50 {t['p50']:.0f} ms, p95 {t['p95']:.0f} ms from the last voiced sample")
    lines += [f"degraded    {reason}" for reason in f["degraded"]]
    return lines


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
