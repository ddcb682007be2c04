"""`livemerc bench live`: what is measured is what happens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers import wav_file
from helpers.paths import DEMO
from helpers.scripted_parts import Numbered

from livemerc.audio.read import read_samples
from livemerc.bench import live as bench_live
from livemerc.config import SAMPLE_RATE_HZ, Config
from livemerc.errors import ConfigError


def test_the_wait_after_the_endpoint_is_what_the_events_say(tmp_path: Path, configured: Callable[..., Config]) -> None:
    config = configured(model__device="cpu")
    made: list[Numbered] = []

    def make() -> Numbered:
        made.append(Numbered())
        return made[-1]

    speech = read_samples(DEMO, SAMPLE_RATE_HZ, 0.5, 2.0)
    talk = np.concatenate([speech, np.zeros(SAMPLE_RATE_HZ, np.float32)] * 2)
    file = wav_file.write(tmp_path / "talk.wav", talk, SAMPLE_RATE_HZ)
    found = bench_live.waits([file], config, make, most_s=1.0, repeats=2)
    assert len(made) == found["runs"] == 2, "a recogniser is closed with its session"
    assert found["asr"] == "numbered"
    assert found["window"] is None
    n = found["end_to_emotion"]["n"]
    assert n == 2, "one in each run: no more is heard once it has its emotion"
    assert found["endpoint_wait"]["p50"] >= config.endpoint.long_hangover_ms
    assert found["end_to_emotion"]["p50"] > found["endpoint_wait"]["p50"]
    assert found["after_wait"]["p50"] > 0
    if found["ahead"]["used"]:
        assert found["first_partial"]["p50"] > 1000, "this one hears nothing before a pause, and then it is shown"
    assert found["first_partial_estimate"]["p50"] > 0
    assert found["first_partial_estimate"]["n"] == n
    asked = sum(len(asr.asked) for asr in made)
    assert found["ahead"]["used"] + found["ahead"]["wasted"] <= asked
    assert 0 <= found["ahead"]["share_wasted"] < 1
    text = "\n".join(bench_live.row_lines({"rows": {"numbered": found}, "gpu_memory_mb": None}))
    assert "medians of 2 runs" in text
    assert "computation-aware" in text
    assert "computation-unaware" in text


def test_start_up_is_measured_from_outside() -> None:
    found = bench_live.start(1, DEMO, ("--asr", "none"))
    assert 0 < found["listening_s"] < found["ready_s"]
    assert found["rss_mb"] > 100


def test_a_start_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="no such folder"):
        bench_live.start(1, DEMO, ("--asr", "faster-whisper", "--model", "/no/such"))


def test_a_size_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"tiny\.en"):
        bench_live.main(model="enormous")
    with pytest.raises(ConfigError, match="at least one run"):
        bench_live.main(repeats=0)
