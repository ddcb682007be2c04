"""Stops at random moments; `stops.py` runs any number of them by hand."""

from __future__ import annotations

import os
import random

import pytest
from e2e.stops import WAYS, Outcome, Plan, stop

WITHIN_S = 60.0
"""A machine full of other work is no failure here; by hand the promise is 5 s."""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")


def well(outcome: Outcome) -> None:
    assert not outcome.faults, str(outcome)


@pytest.mark.parametrize(
    ("way", "source", "moment_s"),
    [
        ("SIGINT", "demo", 0.3),
        ("SIGTERM", "stdin", 1.5),
        ("SIGHUP", "file", 4.0),
        ("closed pipe", "demo", 0.5),
        ("closed pipe", "fast", 3.0),
        ("SIGINT", "fast", 2.5),
    ],
)
def test_a_stop_at_any_moment_leaves_a_whole_session(way: str, source: str, moment_s: float) -> None:
    well(stop(Plan(0, source, "transcript" if source == "fast" else "faster-whisper", way, moment_s), WITHIN_S))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_a_stop_drawn_by_chance_leaves_a_whole_session(seed: int) -> None:
    well(stop(Plan.draw(random.Random(seed).randrange(10**6)), WITHIN_S))


def test_the_draw_knows_every_way_to_stop() -> None:
    assert {Plan.draw(seed).way for seed in range(100)} == set(WAYS)
