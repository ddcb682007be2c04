"""Teaching the detector of overlaps, small: what comes out is what the monitor reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from livemerc.errors import InputError
from livemerc.speakers.overlap import OVERLAP, OverlapDetector
from trainer.speakers import overlap_training
from trainer.speakers.conversations import spoken
from trainer.speakers.overlap_training import run
from trainer.speakers.taught_by import voices_of


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten readers, and few mixtures to judge by."""
    monkeypatch.setattr(overlap_training, "SHARES", {"librispeech": 1.0})
    monkeypatch.setattr(overlap_training, "JUDGED_MIXTURES", 4)
    monkeypatch.setattr(overlap_training, "_BATCH", 6)


@pytest.mark.usefixtures("small")
def test_what_is_taught_is_what_the_monitor_reads_and_the_same_seed_is_the_same(
    tmp_path: Path, shared_data: Path
) -> None:
    for name in ("one", "again"):
        rows = run(shared_data, tmp_path / name, mixtures=18, epochs=2, seed=3)
        assert any(row.startswith("average_precision ") for row in rows)
    assert (tmp_path / "one" / OVERLAP).read_bytes() == (tmp_path / "again" / OVERLAP).read_bytes()
    detector = OverlapDetector(folder=tmp_path / "one")
    hiss = np.random.default_rng(0).normal(0, 0.01, 24_000).astype(np.float32)
    found = detector.probabilities(hiss)
    assert found.shape == (75, 3)
    assert found.sum(1) == pytest.approx(np.ones(75), abs=1e-4)


def test_a_corpus_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        voices_of(tmp_path, ("readers",), spoken)
