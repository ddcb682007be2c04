"""`livemerc-train experiment overlaps`: the recordings, and one made conversation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.trainer.command import train_command

from trainer.experiments.overlaps import recordings, stretches


def test_the_call_is_marked_right_and_one_that_is_made_has_hardly_any_false_mark(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "overlaps"
    options = ["--corpora", "librispeech", "--conversations", 1, "--turns", 6]
    code, shown, err = train_command(capsys, "experiment", "overlaps", "--data", shared_data, "--out", out, *options)
    assert code == 0, err
    rows = json.loads((out / "figures.json").read_text())["rows"]
    assert set(rows) == {"the call", "meetings", "conversations of librispeech"}
    call = rows["the call"]
    assert call["overlaps of .2 s and more"] == 4
    assert call["found"] >= 3
    assert call["right"] == call["marks"] >= 3
    assert rows["conversations of librispeech"]["marks"] <= 1
    assert 0.3 < call["minutes"] < 0.5
    assert shown.startswith("| ")


@pytest.mark.parametrize(("flags", "named"), [(("--corpora", "x"), "x"), (("--turns", 0), "--turns")])
def test_what_cannot_be_is_refused(
    flags: tuple[str | int, ...], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = train_command(capsys, "experiment", "overlaps", "--data", tmp_path, "--out", tmp_path / "x", *flags)
    assert code == 2
    assert named in err


def test_recordings_without_turns_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = train_command(capsys, "experiment", "overlaps", "--data", tmp_path, "--out", tmp_path / "x")
    assert code == 5
    assert "RTTM" in err


def test_turns_are_those_of_the_file(shared_data: Path) -> None:
    ((samples, turns),) = recordings(shared_data / "speech" / "call")
    assert len(samples) == 30 * 16_000
    assert {turn.speaker for turn in turns} == {"speaker90", "speaker91"}
    assert len(list(recordings(shared_data / "speech" / "meetings"))) == 5


def test_stretches_are_where_it_is_true() -> None:
    assert stretches(np.array([1, 1, 0, 0, 1, 0, 1], bool)) == [slice(0, 2), slice(4, 5), slice(6, 7)]
    assert stretches(np.zeros(3, bool)) == []
