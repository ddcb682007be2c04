"""`bench rooms`: what a run counts."""

from __future__ import annotations

from collections.abc import Callable

from livemerc.bench import rooms
from livemerc.bench.streams import GivenWords
from livemerc.config import Config


async def test_a_run_counts_what_was_said_and_how_late_it_was_judged(configured: Callable[..., Config]) -> None:
    found = await rooms.measure(configured(asr__engine="none"), 3, 6.0, GivenWords(), flood=True)
    assert found["rooms"] == 3
    assert found["utterances"] >= 3
    assert found["behind_ms"]["n"] == found["utterances"]
    assert found["dropped_s"] == 0.0
    figures = {
        "machine": rooms.machine(),
        "seconds": 6.0,
        "limit_ms": 1500.0,
        "runs": [{"what": "words given"} | found],
    }
    text = "\n".join(rooms.table(figures))
    assert "3 rooms of 6 s, words given" in text


def test_a_room_counts_by_what_was_promised() -> None:
    well = {"behind_ms": [100.0], "utterances": 1, "dropped_s": 0.0, "degraded": []}
    assert rooms._counts(well)
    assert rooms._counts(well | {"degraded": ["behind: no partial hypotheses until caught up"]})
    assert not rooms._counts(well | {"degraded": ["the recogniser failed"]})
    assert not rooms._counts(well | {"dropped_s": 0.1})
    assert not rooms._counts(well | {"behind_ms": [1600.0]})
    assert not rooms._counts(well | {"behind_ms": []})
