"""`livemerc bench`: which figures there are and how they are summed up. What they are is this machine's affair."""

from __future__ import annotations

import json
import time

import psutil
import pytest
from helpers.command_line import livemerc, sentence
from hypothesis import given
from hypothesis import strategies as st

from livemerc.bench.measuring import busy_cores, machine, over_runs
from livemerc.bench.measuring import percentiles as _percentiles
from livemerc.bench.model import GROWTH_AT, growth
from livemerc.bench.whole import table
from livemerc.model.checkpoint import BUNDLED, MANIFEST


@pytest.mark.parametrize(
    ("values", "p50", "p95"),
    [([3.0], 3.0, 3.0), ([2.0, 1.0], 2.0, 2.0), ([5, 1, 4, 2, 3], 3, 5), (list(range(101)), 50, 95)],
)
def test_percentiles_of_known_lists(values: list[float], p50: float, p95: float) -> None:
    assert _percentiles(values) == {"p50": p50, "p95": p95, "n": len(values)}


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60), st.randoms())
def test_percentiles_are_measured_values_in_order_and_blind_to_the_order_of_measuring(values, rng) -> None:
    found = _percentiles(values)
    assert found["p50"] in values
    assert found["p95"] in values
    assert found["p50"] <= found["p95"] <= max(values)
    shuffled = values[:]
    rng.shuffle(shuffled)
    assert _percentiles(shuffled) == found


def test_a_run_in_which_the_machine_did_something_else_moves_nothing() -> None:
    runs = [{"stage": [1.0, 2.0, 3.0]}, {"stage": [1.0, 2.0, 3.0], "other": [7.0]}, {"stage": [500.0, 900.0, 700.0]}]
    assert over_runs(runs) == {
        "stage": {"p50": 2.0, "p95": 3.0, "n": 9},
        "other": {"p50": 7.0, "p95": 7.0, "n": 1},
    }


class Counting:
    """A dialogue whose every utterance takes as many ticks of the clock as it has heard."""

    now_s = 0.0

    def __init__(self) -> None:
        self.added: list[str] = []

    def add(self, utterance_id: str, *_: object, speaker: str) -> None:
        self.added.append(utterance_id)
        Counting.now_s += len(self.added) / 1000


@pytest.mark.parametrize(("until", "at"), [(50, ["50"]), (500, ["50", "500"]), (2000, ["50", "500", "2000"])])
def test_growth_is_the_median_around_utterances_50_500_and_2000(
    monkeypatch: pytest.MonkeyPatch, until: int, at: list[str]
) -> None:
    made: list[Counting] = []

    def make() -> Counting:
        made.append(Counting())
        return made[-1]

    monkeypatch.setattr("livemerc.bench.model.time.perf_counter", lambda: Counting.now_s)
    found = growth(make, None, None, until)
    assert list(found) == at
    assert [int(n) for n in at] == [n for n in GROWTH_AT if n <= until]
    for n, ms in found.items():
        assert ms == pytest.approx(int(n))  # the n-th utterance takes n ms: the middle of those around it
    assert all(len(set(dialogue.added)) == len(dialogue.added) for dialogue in made)


def test_cores_are_kept_busy_and_let_go() -> None:
    before = psutil.Process().children()
    with busy_cores(2):
        spinning = [child for child in psutil.Process().children() if child not in before]
        assert len(spinning) >= 2
        until_s = time.monotonic() + 60
        while not all(child.cpu_times().user > 0.02 for child in spinning):
            assert time.monotonic() < until_s
            time.sleep(0.05)
    assert not any(child.is_running() for child in spinning)


def test_the_machine_is_named() -> None:
    assert set(machine()) == {"processor", "cores", "memory_gb", "load_1min", "python", "system"}


@pytest.mark.slow
def test_bench_prints_one_object_with_every_figure() -> None:
    if not (BUNDLED / MANIFEST).is_file():
        pytest.skip("no bundled checkpoint in this tree (livemerc/weights)")
    done = livemerc("bench", "--quick", "--json", timeout_s=280)
    assert done.returncode == 0, done.stderr.decode()
    figures = json.loads(done.stdout)
    assert set(figures) == {
        "machine", "quick", "checkpoint", "start_up", "start", "live", "streams", "stages_ms", "loaded", "growth_ms",
        "naive", "audio_s", "rtf", "ears_rtf", "peak_rss_mb",
    }  # fmt: skip
    assert set(figures["start"]) == {"listening_s", "ready_s", "rss_mb"}
    (row,) = figures["live"]["rows"].values()
    assert row["runs"] == 1
    assert 0 < row["endpoint_wait"]["p50"] < row["end_to_emotion"]["p50"]
    assert figures["streams"]["real_pace"]["cores"] > 0
    assert figures["streams"]["as_fast"]["conversations"] > 0
    progress = done.stderr.decode().splitlines()
    assert len(progress) > 5, "nobody must think that it hangs"
    assert all(line.startswith("livemerc bench: ") for line in progress)
    assert set(figures["start_up"]) == {"help_s", "import_s", "import_torch_s", "model_load_s"}
    assert set(figures["growth_ms"]) == {"50", "500"}
    alone = {"text encoder (18 words)", "speech encoder (5 s)", "Stage II + III (full window)"}
    alone.add("encode + fuse (5 s, 18 words, full window)")
    stages = {name for name in figures["stages_ms"] if not name.startswith("ASR (")}
    assert stages == alone | {f"{name}, all cores loaded" for name in alone} | {
        "text encoder", "speech encoder (up to 5 s)", "Stage II + III", "encode + fuse",
        "partial estimate (5 s so far)", "partial estimate (12 s so far)", "why a label shifted (full window)",
    }  # fmt: skip
    assert len(figures["stages_ms"]) == len(stages) + 1
    assert figures["naive"]["largest_difference"] < 1e-4
    assert set(figures["naive"]["at"]) == {"10", "50", "200"}
    for stage in figures["stages_ms"].values():
        assert 0 < stage["p50"] <= stage["p95"]
        assert stage["n"] >= 1
    # What a reader sees holds every stage.
    text = "\n".join(table(figures))
    assert all(name in text for name in figures["stages_ms"])
    for told in ("computation-aware", "computation-unaware", "first words", "40 conversations", "listening after"):
        assert told in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--repeats", "0"), "at least one run"),
        (("--streams", "0"), "at least one stream"),
        (("--model", "enormous"), "unknown Whisper"),
        (("--quick", "--model", "base"), "exclude each other"),
        (("vad", "--repeats", "2"), "`livemerc bench live` or `livemerc bench`"),
    ],
)
def test_what_cannot_be_measured_is_said_before_minutes_of_measuring(arguments: tuple[str, ...], said: str) -> None:
    done = livemerc("bench", *arguments)
    assert done.returncode == 2
    assert said in sentence(done)
