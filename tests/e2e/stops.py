"""Stops a running session at random moments and looks at what is left of it. By hand, in the project's root:

    PYTHONPATH=.:tests python -m e2e.stops --times 200 --seed 1 --within 5 --at-once 2

Each stop is one `livemerc run` of its own: a source, an output and a way to stop drawn by chance, at a moment from the
first instant at which the program catches signals (models not loaded) to the middle of the talk.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from helpers.command_line import environment, running
from helpers.paths import DEMO, DEMO_WORDS, PROJECT

SOURCES = ("demo", "file", "fast", "stdin")
WAYS = ("SIGINT", "SIGTERM", "SIGHUP", "closed pipe")
ASRS = ("faster-whisper", "transcript", "none")
LATEST_S = 14.0
GIVE_UP_S = 60.0


@dataclass(frozen=True)
class Plan:
    """One stop: what runs, when it is stopped (seconds after it first catches signals) and how."""

    seed: int
    source: str
    asr: str
    way: str
    moment_s: float

    @staticmethod
    def draw(seed: int) -> Plan:
        chance = random.Random(seed)
        moment_s = chance.uniform(0, LATEST_S) if chance.random() < 0.5 else chance.uniform(0, LATEST_S / 3)
        return Plan(seed, chance.choice(SOURCES), chance.choice(ASRS), chance.choice(WAYS), moment_s)

    def command(self) -> list[str]:
        source = {
            "demo": ["--demo"],
            "file": ["--file", str(DEMO)],
            "fast": ["--demo", "--speed", "0"],
            "stdin": ["--stdin", "--rate", "16000"],
        }[self.source]
        words = ["--asr", self.asr]
        if self.asr == "transcript":
            words = ["--transcript", str(DEMO_WORDS)]
        return [sys.executable, "-m", "livemerc", "run", "--json", "--offline", *source, *words]


@dataclass
class Outcome:
    plan: Plan
    took_s: float
    code: int
    by_itself: bool = False
    """It had ended before it was stopped."""
    events: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        p = self.plan
        what = ", ".join(self.faults) or "well"
        return (
            f"seed {p.seed}: {p.source}, {p.asr}, {p.way} at {p.moment_s:.2f} s: exit {self.code} after "
            f"{self.took_s:.2f} s, {self.events['utterance.final']} finals: {what}"
        )


def stop(plan: Plan, within_s: float) -> Outcome:
    """Runs `plan`. `faults` names what was promised and not kept; `within_s`: the time a stop may take."""
    stdin = subprocess.PIPE if plan.source == "stdin" else subprocess.DEVNULL
    talk: threading.Thread | None = None
    with running(plan.command(), stdin=stdin, env=environment(), cwd=PROJECT, start_new_session=True) as process:
        if process.stdin is not None:
            talk = threading.Thread(target=_talk, args=(process.stdin,), daemon=True)
            talk.start()
        outcome = _stopped(process, plan, within_s)
        if talk is not None:
            talk.join(GIVE_UP_S)  # it closes its end
    return outcome


def _stopped(process: subprocess.Popen[bytes], plan: Plan, within_s: float) -> Outcome:
    assert process.stdout is not None
    assert process.stderr is not None
    out, err = _Reader(process.stdout), _Reader(process.stderr)
    _until_it_catches_signals(process)
    ended_by_itself = _ends(process, plan.moment_s)
    began_s = time.monotonic()
    if plan.way == "closed pipe":
        out.close()
    elif not ended_by_itself:
        process.send_signal(signal.Signals[plan.way])
    outcome = Outcome(plan, 0.0, -1, ended_by_itself)
    if not _ends(process, GIVE_UP_S):
        outcome.faults.append(f"still there after {GIVE_UP_S:.0f} s")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    outcome.took_s, outcome.code = time.monotonic() - began_s, process.returncode
    _left_behind(process, outcome)
    said = err.finish().decode(errors="replace")
    text = out.finish()
    if outcome.took_s > within_s:
        outcome.faults.append(f"took longer than {within_s:.0f} s")
    if "Traceback" in said or "unexpected" in said:
        outcome.faults.append(f"standard error: {said[-300:]!r}")
    _look_at_events(text, outcome)
    return outcome


def _look_at_events(text: bytes, outcome: Outcome) -> None:
    from livemerc.events import EmotionEvent, SessionEnd, SessionStart, UtteranceFinal, decode

    cut = outcome.plan.way == "closed pipe"  # by the reader: what it took may end anywhere
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith(b"\n"):
        if not cut:
            outcome.faults.append("the last line is not whole")
        del lines[-1]
    events = [decode(line) for line in lines]
    outcome.events.update(str(event.__struct_config__.tag) for event in events)
    if outcome.code != 0:
        outcome.faults.append(f"exit code {outcome.code}")
    if not events:
        return
    if not isinstance(events[0], SessionStart):
        outcome.faults.append("does not begin with session.start")
    if cut:
        return
    if not isinstance(events[-1], SessionEnd):
        outcome.faults.append("does not end with session.end")
    finals = [event.utterance_id for event in events if isinstance(event, UtteranceFinal)]
    frozen = [e.utterance_id for e in events if isinstance(e, EmotionEvent) and e.status == "frozen"]
    if sorted(finals) != sorted(frozen) or len(set(finals)) != len(finals):
        outcome.faults.append(f"finals {finals}, frozen {frozen}")


class _Reader:
    """Takes what comes from a descriptor, so that nobody waits for a full pipe; `close` takes no more."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._descriptor = os.dup(stream.fileno())
        stream.close()
        self._closed = threading.Event()
        self._taken = bytearray()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        import select

        while not self._closed.is_set():
            if select.select([self._descriptor], [], [], 0.02)[0]:
                piece = os.read(self._descriptor, 65_536)
                if not piece:
                    break
                self._taken += piece
        os.close(self._descriptor)

    def close(self) -> None:
        self._closed.set()
        self._thread.join()

    def finish(self) -> bytes:
        self._thread.join(5)  # ends with the process, unless something of it lives on
        return bytes(self._taken)


def _talk(stream: IO[bytes]) -> None:
    """The demo into standard input, as fast as one speaks."""
    from livemerc.audio.read import read_samples

    pcm = (read_samples(DEMO, 16_000, 0.0, 40.0) * 32767).astype("<i2").tobytes()
    with contextlib.suppress(OSError), stream:  # stopped
        for i in range(0, len(pcm), 3200):
            stream.write(pcm[i : i + 3200])
            stream.flush()
            time.sleep(0.1)


def _until_it_catches_signals(process: subprocess.Popen[bytes]) -> None:
    """On Linux the kernel tells; elsewhere a second has to do."""
    status = Path(f"/proc/{process.pid}/status")
    if not Path("/proc/self/status").exists():
        time.sleep(1.0)
        return
    bit = 1 << (signal.SIGTERM - 1)
    while process.poll() is None:
        caught = next((line for line in status.read_text().splitlines() if line.startswith("SigCgt:")), "SigCgt:\t0")
        if int(caught.split()[1], 16) & bit:
            return
        time.sleep(0.005)


def _ends(process: subprocess.Popen[bytes], within_s: float) -> bool:
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def _left_behind(process: subprocess.Popen[bytes], outcome: Outcome) -> None:
    """The process was a group of its own: nobody may be left in it."""
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return
    outcome.faults.append("left a process behind")
    os.killpg(process.pid, signal.SIGKILL)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1, help="the first stop's; each next one's is one more")
    parser.add_argument("--within", type=float, default=5.0, help="seconds a stop may take")
    parser.add_argument("--at-once", type=int, default=1, help="sessions at the same time")
    options = parser.parse_args()
    for name in ("SIGINT", "SIGHUP"):  # a shell's background job or nohup ignores them, and so would what it starts
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    plans = [Plan.draw(seed) for seed in range(options.seed, options.seed + options.times)]
    took_s: dict[str, list[float]] = defaultdict(list)
    failed = early = 0
    with ThreadPoolExecutor(options.at_once) as pool:
        for outcome in pool.map(lambda plan: stop(plan, options.within), plans):
            print(outcome, flush=True)
            took_s[outcome.plan.way].append(outcome.took_s)
            failed += bool(outcome.faults)
            early += outcome.by_itself
    for way, seconds in sorted(took_s.items()):
        seconds.sort()
        print(f"{way}: {len(seconds)} stops, median {seconds[len(seconds) // 2]:.2f} s, longest {seconds[-1]:.2f} s")
    well = f"{options.times - failed} of {options.times} stops well, {early} of them after the end"
    print(f"{well}; load {os.getloadavg()[0]:.1f}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
