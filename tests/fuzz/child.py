"""Fuzzes one reader in a process of its own: `python -m fuzz.child TARGET EXAMPLES FOLDER`.

Derandomised: the same inputs in every run. Prints one JSON line {"examples", "seconds", "slowest_s", "grew_mb"}. Ends
with another code than 0 on any exception but `LivemercError`, on a sentence of several lines, when one input takes
more than 5 s or when memory grows by more than 1 GB. The input being read lies in FOLDER/current.
"""

from __future__ import annotations

import faulthandler
import json
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

from fuzz.targets import make
from helpers.mutate import mutated
from hypothesis import HealthCheck, Phase, given, seed, settings

from livemerc.errors import LivemercError

LIMIT_S = 5.0
LIMIT_MB = 1024


class Hang(BaseException):
    """Not caught by what the reader guards itself with."""


def main(name: str, examples: int, folder: Path) -> None:
    import psutil

    target = make(name, Path(tempfile.mkdtemp(dir=folder)))
    current = folder / "current"

    def hang(number: int, frame: FrameType | None) -> None:
        raise Hang(f"longer than {LIMIT_S} s")

    signal.signal(signal.SIGALRM, hang)
    done = 0
    slowest_s = 0.0

    def once(data: bytes) -> None:
        nonlocal done, slowest_s
        current.write_bytes(data)
        faulthandler.dump_traceback_later(4 * LIMIT_S, exit=True)  # native code hears no signal
        signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
        began = time.process_time()
        try:
            target.read(data)
        except LivemercError as error:
            sentence = str(error)
            assert sentence.strip(), "an empty sentence"
            assert len(sentence.splitlines()) == 1, repr(sentence)
            assert len(sentence) < 2000, f"{len(sentence)} characters"
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            faulthandler.cancel_dump_traceback_later()
        slowest_s = max(slowest_s, time.process_time() - began)
        done += 1

    for data in target.seeds[:2]:  # imports and caches, before memory is counted
        once(data)
    # address space, not memory in use: whoever asks for more than this gets a MemoryError, which is no LivemercError
    used = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (used + 2 * LIMIT_MB * 2**20, resource.RLIM_INFINITY))
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    @seed(20240501)
    @settings(
        max_examples=examples, database=None, deadline=None, phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck), report_multiple_bugs=False, print_blob=False,
    )  # fmt: skip
    @given(mutated(target.seeds, target.words))
    def fuzz(data: bytes) -> None:
        once(data)

    began = time.monotonic()
    fuzz()
    grew_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / 1024
    assert grew_mb < LIMIT_MB, f"memory grew by {grew_mb:.0f} MB"
    print(json.dumps({
        "examples": done, "seconds": time.monotonic() - began, "slowest_s": slowest_s, "grew_mb": grew_mb,
    }))  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
