"""The plain implementation that the benchmark compares with: the same probabilities, everything encoded anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from livemerc.bench import model as bench_model
from livemerc.bench.naive import AT, compare, judge_anew
from livemerc.config import Config

CONTEXT = 5


@pytest.fixture(scope="module")
def parts(configured: Callable[..., Config]) -> tuple[Any, Any]:
    make_dialogue, encoders, compute = bench_model.load(configured(dialogue__context=CONTEXT))
    assert compute.endswith("1 torch thread, float32")
    return make_dialogue, encoders


def demo() -> list[bench_model.Spoken]:
    rng = np.random.default_rng(0)
    words = ("hello", "sad w1 w2", "great w3", "w4 w5 w6 w7")
    return [(rng.normal(0, 0.1, 4000 + 500 * i).astype(np.float32), text) for i, text in enumerate(words)]


def test_both_say_the_same_in_the_window_and_each_is_measured(parts: tuple[Any, Any]) -> None:
    make_dialogue, encoders = parts
    found = compare(make_dialogue, encoders, demo(), CONTEXT, quick=True, at=(2, 9))
    assert found["largest_difference"] < 1e-5
    assert list(found["at"]) == ["2", "9"]
    for v in found["at"].values():
        assert v["ratio"] == pytest.approx(v["naive_ms"] / v["cached_ms"])


def test_the_plain_one_encodes_everything_each_time(parts: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    _, encoders = parts
    calls: list[str] = []
    original = encoders.text
    monkeypatch.setattr(encoders, "text", lambda texts: (calls.extend(texts), original(texts))[1])
    whole = judge_anew(encoders, demo())
    assert calls == [text for _, text in demo()]
    assert sum(whole) == pytest.approx(1.0, abs=1e-5)
    # Beyond the window it sees more than the monitor: the difference is the window's, not a mistake.
    assert whole != pytest.approx(judge_anew(encoders, demo(), last=2), abs=1e-6)


def test_two_hundred_utterances_are_among_the_lengths() -> None:
    assert 200 in AT
