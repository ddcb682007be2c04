"""`bench ui`: small sessions through the real screen."""

from __future__ import annotations

import random
from typing import Any

import jsonschema
import msgspec
import pytest

from livemerc.bench import ui as bench_ui
from livemerc.events import SessionStart, encode


async def test_every_utterance_is_drawn_and_counted() -> None:
    figures = await bench_ui._long_session(60, warm_up=20, keys=8)
    assert figures["append_ms"]["n"] == 60
    assert figures["scroll_ms"]["n"] == 8
    assert 0 < figures["append_ms"]["p50"] <= figures["append_ms"]["p95"]
    assert 0 < figures["scroll_ms"]["p50"] <= figures["scroll_ms"]["p95"]


async def test_however_fast_events_come_it_draws_ten_times_a_second_and_still_hears_keys() -> None:
    figures = await bench_ui._flood(1.0)
    assert 0 < figures["redraws_per_s"] <= 10.5  # a redraw at both ends of the second
    assert figures["utterances_per_s"] > 0


def test_its_events_are_a_sessions(shared_schema: dict[str, Any]) -> None:
    dice = random.Random(1)
    sent = [bench_ui.start(), *(event for n in range(12) for event in bench_ui.utterance(n, dice))]
    assert isinstance(sent[0], SessionStart)
    validator = jsonschema.Draft202012Validator(shared_schema)
    for event in sent:
        validator.validate(msgspec.json.decode(encode(event)))


@pytest.fixture
def shared_schema() -> dict[str, Any]:
    from pathlib import Path

    return msgspec.json.decode((Path(bench_ui.__file__).parents[1] / "events.schema.json").read_bytes())


def test_the_table_names_what_is_over_its_limit() -> None:
    ms = {"p50": 4.0, "p95": 17.0, "n": 9}
    figures: dict[str, Any] = {
        "machine": {"processor": "P", "cores": 2, "load_1min": 0.1, "system": "Linux", "python": "3"},
        "utterances": 9, "columns": 80, "rows": 24, "append_ms": ms, "scroll_ms": {**ms, "p95": 3.0},
        "bytes_per_utterance": 900.0, "idle_cpu": 0.03, "idle_cpu_room_noise": 0.04, "redraws_per_s": 9.8,
        "utterances_per_s": 200.0, "limits": bench_ui.LIMITS, "over_limit": ["append_ms"],
    }  # fmt: skip
    lines = bench_ui.table(figures)
    assert [line for line in lines if "OVER" in line] == [line for line in lines if "append" in line]
