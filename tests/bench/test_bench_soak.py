"""`livemerc bench soak`: the loop is one long live source, and the slopes are slopes."""

from __future__ import annotations

import json
import time
import wave
from pathlib import Path

import numpy as np
import pytest
from helpers.command_line import environment, livemerc
from helpers.paths import PROJECT

from livemerc.bench.soak import WARM_UP_S, LoopSource, summary, table
from livemerc.errors import ConfigError, InputError


def wav(path: Path, seconds: float, rate_hz: int = 16_000) -> Path:
    ramp = np.arange(round(seconds * rate_hz), dtype="<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(ramp.tobytes())
    return path


def test_files_are_played_over_and_over_without_a_gap(tmp_path: Path) -> None:
    source = LoopSource([wav(tmp_path / "a.wav", 0.31), wav(tmp_path / "b.wav", 0.12)], 1.0, ring_s=60.0)
    began = time.monotonic()
    blocks = list(source.blocks())
    assert time.monotonic() - began >= 0.98  # at real pace
    assert sum(len(block.samples) for block in blocks) == pytest.approx(16_000, abs=320)
    at = 0
    for block in blocks:
        assert block.start_s == pytest.approx(at / 16_000, abs=1e-6)
        assert block.gap_s == 0
        at += len(block.samples)
    starts = [round(block.start_s, 3) for block in blocks if len(block.samples) and abs(block.samples[0]) < 1e-9]
    assert starts == [0.0, 0.31, 0.43, 0.74, 0.86]
    assert source.health().dropped_s == 0


def test_a_listener_that_is_too_slow_loses_audio_and_is_told(tmp_path: Path) -> None:
    source = LoopSource([wav(tmp_path / "a.wav", 0.5)], 1.5, ring_s=0.2)
    heard_s = gap_s = 0.0
    for number, block in enumerate(source.blocks()):
        heard_s += len(block.samples) / 16_000
        gap_s += block.gap_s
        if number == 3:
            time.sleep(0.8)
    lost_s = source.health().dropped_s
    assert lost_s > 0.3
    assert gap_s == pytest.approx(lost_s)
    assert heard_s + lost_s == pytest.approx(1.5, abs=0.03)
    assert source.latest_s > 0.7


def test_closing_ends_it_soon(tmp_path: Path) -> None:
    source = LoopSource([wav(tmp_path / "a.wav", 0.5)], 3600.0, ring_s=1.0)
    for number, _ in enumerate(source.blocks()):
        if number == 2:
            source.close()
    assert number <= 3


def test_files_of_two_rates_and_files_that_are_no_audio_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="different sample rates"):
        LoopSource([wav(tmp_path / "a.wav", 0.5), wav(tmp_path / "b.wav", 0.5, 8_000)], 1.0, ring_s=1.0)
    with pytest.raises(InputError, match="no such file"):
        LoopSource([tmp_path / "absent.wav"], 1.0, ring_s=1.0)


def test_slopes_are_counted_after_the_warm_up_alone() -> None:
    rows = []
    for t in range(0, 3600, 5):
        rss = 500 + t if t < WARM_UP_S else 1100 + 3.0 * t / 3600  # 3 MB an hour once it is warm
        rows.append((float(t), rss, 0.2, 1.0))
    found = summary(rows, 3600.0)
    assert found["warm_up_s"] == WARM_UP_S
    assert found["rss_slope_mb_per_h"] == pytest.approx(3.0)
    assert found["lag_slope_s_per_h"] == pytest.approx(0.0, abs=1e-9)
    assert found["rss_mb"]["max"] == max(row[1] for row in rows)
    assert summary(rows, 300.0)["warm_up_s"] == 100.0


@pytest.mark.parametrize("rows", [[], [(0.0, 900.0, 0.0, 1.0)], [(200.0, 900.0, 0.1, 1.0), (205.0, 901.0, 0.0, 1.0)]])
def test_a_run_too_short_for_a_slope_says_so(rows: list[tuple[float, float, float, float]]) -> None:
    found = summary(rows, 240.0)
    assert found["rss_slope_mb_per_h"] is None
    shown = found | {
        "machine": {"processor": "x", "cores": 2, "system": "Linux", "python": "3"}, "source": "loop:a.wav",
        "asr": None, "audio_s": 1.0, "utterances": 0, "with_words": 0, "with_late_words": 0, "dropped_s": 0.0,
        "latest_s": 0.0,
        "degraded": [], "total_ms": None, "cpu_s": 1.0,
    }  # fmt: skip
    assert "- MB an hour" in "\n".join(table(shown))


def test_minutes_are_positive() -> None:
    from livemerc.bench.soak import main

    with pytest.raises(ConfigError, match="--minutes"):
        main(0.0)


@pytest.mark.slow
def test_a_minute_loses_nothing_and_does_not_grow(shared_data: Path, tmp_path: Path) -> None:
    call = shared_data / "speech" / "call" / "sample.flac"
    env = environment(tmp_path, LIVEMERC_ASR_ENGINE="faster-whisper", PYTHONPATH=str(PROJECT))
    done = livemerc("bench", "soak", "--minutes", "1", "--file", call, "--json", env=env, timeout_s=280)
    assert done.returncode == 0, done.stderr.decode()
    figures = json.loads(done.stdout)
    print(figures)
    assert figures["audio_s"] == pytest.approx(60, abs=1)
    assert figures["dropped_s"] == 0
    assert figures["utterances"] >= 5
    # a slope over less than a minute says nothing in MB an hour; a leak of an utterance's samples or states does show
    assert figures["rss_mb"]["end"] - figures["rss_mb"]["warm"] < 40
