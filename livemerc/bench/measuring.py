"""What the benchmarks share: clocks, percentiles, medians over runs, the machine's line, and cores kept busy."""

from __future__ import annotations

import contextlib
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

DEMO = Path(__file__).resolve().parents[1] / "demo" / "demo.flac"
"""The bundled conversation."""

Stages = dict[str, list[float]]
"""Milliseconds of every call, by stage."""

_BEGAN_S = time.monotonic()
_SPIN = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    sum(i * i for i in range(100_000))\n"
"""Keeps one core busy for as long as whoever started it lives."""


def over(runs: int) -> str:
    """What a figure is of."""
    return f"medians of {runs} runs" if runs > 1 else "one run"


def progress(what: str) -> None:
    """Tells on standard error what is measured now, and how long all has taken so far: it takes minutes."""
    print(f"livemerc bench: {time.monotonic() - _BEGAN_S:4.0f} s: {what}", file=sys.stderr, flush=True)


def clock(stages: Stages, name: str, work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """What `work` gives; its milliseconds go to `stages[name]`."""
    began = time.perf_counter()
    result = work(*arguments, **named)
    stages.setdefault(name, []).append((time.perf_counter() - began) * 1000)
    return result


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50 and p95, both measured values, and n >= 1."""
    ordered = sorted(values)
    return {
        "p50": ordered[len(ordered) // 2],
        "p95": ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))],
        "n": len(ordered),
    }


def over_runs(runs: Sequence[Mapping[str, Sequence[float]]]) -> dict[str, dict[str, float]]:
    """Each stage's p50 and p95 as the median over the runs (of each run's own), n over all of them.

    One run in which the machine did something else then moves nothing.
    """
    out: dict[str, dict[str, float]] = {}
    for name in dict.fromkeys(name for run in runs for name in run):
        each = [percentiles(run[name]) for run in runs if name in run]
        out[name] = {
            "p50": statistics.median(p["p50"] for p in each),
            "p95": statistics.median(p["p95"] for p in each),
            "n": sum(p["n"] for p in each),
        }
    return out


@contextlib.contextmanager
def busy_cores(count: int | None = None) -> Iterator[None]:
    """`count` (all) cores are kept busy by processes of equal rank while this is open."""
    spinning = [
        subprocess.Popen([sys.executable, "-S", "-c", _SPIN], stdin=subprocess.DEVNULL)
        for _ in range(os.cpu_count() or 1 if count is None else count)
    ]
    try:
        time.sleep(0.5)  # until they spin
        yield
    finally:
        for process in spinning:
            process.kill()
        for process in spinning:
            process.wait()


def machine() -> dict[str, Any]:
    """One line of what this was measured on."""
    import psutil

    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    except OSError:
        pass  # not Linux: the architecture's name has to do
    return {
        "processor": name,
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "load_1min": round(psutil.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": platform.system(),
    }


def machine_line(m: Mapping[str, Any]) -> str:
    """`machine()` as a person reads it."""
    line = (
        f"{m['processor']}, {m['cores']} cores, {m['memory_gb']} GB, load {m['load_1min']}, {m['system']}, "
        f"Python {m['python']}"
    )
    return f"{line}, {m['compute']}" if "compute" in m else line
