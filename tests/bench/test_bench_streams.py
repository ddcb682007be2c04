"""`livemerc bench streams`: what it counts. How many conversations there can be is this machine's affair."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from helpers.paths import DEMO

from livemerc.audio.read import read_samples
from livemerc.bench import streams
from livemerc.bench.streams import GivenWords, Rolled, capacity, main, one_run, table
from livemerc.config import SAMPLE_RATE_HZ, Config
from livemerc.errors import ConfigError


@pytest.fixture(scope="module")
def config(configured: Callable[..., Config]) -> Config:
    return configured()


@pytest.mark.parametrize("live", [False, True])
def test_a_run_counts_what_was_said_and_how_late_it_was_judged(config: Config, live: bool) -> None:
    samples = read_samples(DEMO, SAMPLE_RATE_HZ)[: 20 * SAMPLE_RATE_HZ]
    found = one_run(config, samples, 3, 4.5, live=live)
    assert found["utterances"] >= 3
    assert 1 <= found["mean_batch"] <= 3
    assert found["cpu_s"] > 0
    if live:
        assert found["wall_s"] >= 4.4
        assert found["behind_ms"]["n"] == found["utterances"]
        assert found["slowest_stream_ms"] >= found["behind_ms"]["p50"] > 0
        figures = {
            "machine": {"processor": "x", "cores": 2, "memory_gb": 1, "load_1min": 0, "system": "L", "python": "3"},
            "streams": 3, "seconds": 4.5, "runs": 3, "as_fast": {"wall_s": 1.0, "cpu_s": 1.0, "conversations": 18.0},
            "real_pace": found, "left_out": ["the recogniser"],
            "capacity": capacity({1: 100.0, 2: 150.0}.__getitem__, 3, {3: 400.0}) | {"probe_s": 20.0},
        }  # fmt: skip
        told = "\n".join(table(figures))
        assert "18 conversations in real time (medians of 3 runs)" in told
        assert "left out            the recogniser" in told
        assert "2 conversations at their own pace: p95 at most 300 ms" in told
        assert "2: 150, 3: 400" in told


@pytest.mark.parametrize("true_most", [0, 1, 2, 15, 39, 40, 41, 63, 88, 89])
@pytest.mark.parametrize("tried", [[], [40]])
def test_the_largest_number_that_keeps_up_is_found(true_most: int, tried: list[int]) -> None:
    asked: list[int] = []

    def behind_ms(count: int) -> float:
        asked.append(count)
        return 100.0 if count <= true_most else 301.0

    known = {count: behind_ms(count) for count in tried}
    asked.clear()
    found = capacity(behind_ms, 89, known)
    assert found["conversations"] <= true_most
    assert true_most - found["conversations"] <= max(1, true_most // 16)
    assert found["p95_ms"] == (100.0 if found["conversations"] else None)
    assert len(asked) <= 7
    assert not set(asked) & set(tried), "what is known is not measured again"
    assert [one["conversations"] for one in found["tried"]] == sorted({*asked, *tried})


def test_what_is_left_out_is_told(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    run = {"wall_s": 1.0, "cpu_s": 0.5, "utterances": 2, "mean_batch": 1.0, "cores": 0.5, "slowest_stream_ms": 80.0}
    monkeypatch.setattr(streams, "one_run", lambda *a, **k: run | {"behind_ms": {"p50": 50.0, "p95": 80.0, "n": 2}})
    figures = streams.measure(2, 5.0, 1, config, probe_s=1.0)
    for left_out in ("recogniser", "hypotheses", "by voice", "work ahead"):
        assert any(left_out in one for one in figures["left_out"])
    assert figures["capacity"]["conversations"] == 10, "no more than go as fast as it goes"
    assert "capacity" not in streams.measure(2, 5.0, 1, config)


def test_nothing_is_heard_before_the_models_are_there() -> None:
    go = threading.Event()
    source = Rolled("0", np.arange(16_000, dtype=np.float32), 8_000, 2.0, False, go)
    heard: list[float] = []
    thread = threading.Thread(target=lambda: heard.extend(b.samples[0] for b in source.blocks()))
    thread.start()
    time.sleep(0.05)
    assert heard == []
    go.set()
    thread.join(60)
    assert len(heard) == 20
    assert heard[0] == 8_000  # begun elsewhere
    assert heard[5] == 0  # and over again


def test_the_given_words_are_a_sentence_each() -> None:
    from livemerc.audio.items import Utterance

    utterance = Utterance("u1", np.zeros(1, np.float32), 0.0, 1.5, 2.0, 2.4, False)
    assert len(GivenWords().transcribe(utterance).text.split()) >= 15


def test_no_stream_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="--streams 0"):
        main(streams=0)
