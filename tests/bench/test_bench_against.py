"""`livemerc bench --against FILE.json`: ratios to an earlier run, and what cannot be one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from livemerc.bench.against import missing, ratio_table, ratios, read_figures
from livemerc.errors import ConfigError

THEN = {
    "machine": {"processor": "slow", "cores": 2, "memory_gb": 1.0, "load_1min": 0.0, "system": "Linux", "python": "3"},
    "stages_ms": {"text encoder": {"p50": 10.0, "p95": 20.0, "n": 5}, "gone": {"p50": 1.0, "p95": 1.0, "n": 1}},
    "growth_ms": {"50": 4.0},
    "rtf": 0.0,
}
NOW = {
    "machine": {**THEN["machine"], "processor": "fast"},  # type: ignore[dict-item]
    "stages_ms": {"text encoder": {"p50": 5.0, "p95": 5.0, "n": 100}, "new": {"p50": 1.0, "p95": 1.0, "n": 1}},
    "growth_ms": {"50": 6.0},
    "rtf": 0.5,
}


def test_every_figure_that_both_have_gets_its_ratio() -> None:
    assert ratios(NOW, THEN) == {
        "stages_ms / text encoder / p50": {"then": 10.0, "now": 5.0, "ratio": 0.5},
        "stages_ms / text encoder / p95": {"then": 20.0, "now": 5.0, "ratio": 0.25},
        "growth_ms / 50": {"then": 4.0, "now": 6.0, "ratio": 1.5},
    }


def test_the_table_tells_another_machine_and_figures_that_share_nothing() -> None:
    text = "\n".join(ratio_table(NOW, THEN, ratios(NOW, THEN)))
    assert "against slow, 2 cores" in text
    assert "another machine" in text
    assert "0.25" in text
    assert "another machine" not in "\n".join(ratio_table(NOW, NOW, ratios(NOW, NOW)))
    nothing = ratio_table(NOW, {"machine": {}}, {})
    assert "no figure is in both" in nothing
    assert nothing[-1] == "not in the earlier file, so without a ratio: stages_ms; growth_ms; rtf"


def test_what_one_of_both_lacks_is_named_by_its_largest_group() -> None:
    now = NOW | {"live": {"rows": {"a recogniser": {"asr": "a", "end_to_emotion": {"p50": 1.0, "p95": 2.0, "n": 3}}}}}
    assert missing(now, THEN) == ["stages_ms / new", "live"]
    assert missing(THEN, now) == ["stages_ms / gone"]
    assert missing(now, now) == []
    other = now | {"live": {"rows": {"another": {"end_to_emotion": {"p50": 1.0, "p95": 2.0, "n": 3}}}}}
    assert missing(now, other) == ["live / rows / a recogniser"]
    assert ratios(now, now)["live / rows / a recogniser / end_to_emotion / p50"]["ratio"] == 1.0
    text = "\n".join(ratio_table(now, THEN, ratios(now, THEN)))
    assert "not in the earlier file, so without a ratio: stages_ms / new; live" in text
    assert "in the earlier file, and not measured now: stages_ms / gone" in text


def test_figures_survive_the_file(tmp_path: Path) -> None:
    path = tmp_path / "earlier.json"
    path.write_text(json.dumps(THEN))
    assert read_figures(path) == THEN


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b"{}", b'{"machine": 3}', b"\xff\xfe", b"[" * 100_000], ids=lambda given: given[:8]
)
def test_what_is_no_benchmark_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="livemerc bench --json"):
        read_figures(path)


def test_a_file_that_is_missing_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_figures(tmp_path / "none.json")
