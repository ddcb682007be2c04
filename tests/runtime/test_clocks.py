"""Source time on the wall's clock: what `total_ms` is measured against."""

from __future__ import annotations

import sys
import threading
import time

import pytest

from livemerc.runtime.clocks import WallClock


@pytest.mark.parametrize("pace", [0.5, 1.0, 2.0])
def test_a_moment_of_the_source_is_found_again_at_any_pace(monkeypatch: pytest.MonkeyPatch, pace: float) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    clock = WallClock(pace)
    for block in range(1, 3000):
        now = 1000.0 + block * 0.02 / pace + (0.3 if block % 7 == 0 else 0.0)  # some blocks come late
        clock.heard(block * 0.02)
    assert clock.at(50.0) == pytest.approx(1000.0 + 50.0 / pace)


def test_one_thread_hears_while_another_asks() -> None:
    clock = WallClock()
    clock.heard(0.0)
    stop = threading.Event()

    def hear() -> None:
        t_s = 0.0
        while not stop.is_set():
            t_s += 1.0  # ahead of the clock each time: all older delays are superseded
            clock.heard(t_s)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=hear)
    thread.start()
    try:
        asked = [clock.at(0.0) for _ in range(50_000)]
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(before)
    assert None not in asked
