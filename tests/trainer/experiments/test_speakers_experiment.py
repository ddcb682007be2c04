"""`livemerc-train experiment speakers`: a small one, on voices that are there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.trainer.command import train_command


def test_two_readers_are_told_apart(shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "speakers"
    options = ["--corpora", "librispeech", "--conversations", 1, "--turns", 6]
    code, shown, err = train_command(capsys, "experiment", "speakers", "--data", shared_data, "--out", out, *options)
    assert code == 0, err
    rows = json.loads((out / "figures.json").read_text())["rows"]
    figures = rows["librispeech, 2 people"]
    assert figures["conversations"] == 1
    assert 0.6 < figures["right"] <= figures["best that one label an utterance can be"] + 1e-9 <= 1 + 1e-9
    assert shown.startswith("| ")


@pytest.mark.parametrize(
    ("flags", "named"), [(("--corpora", "nobody"), "nobody"), (("--conversations", 0), "--conversations")]
)
def test_what_cannot_be_is_refused(
    flags: tuple[str | int, ...], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = train_command(capsys, "experiment", "speakers", "--data", tmp_path, "--out", tmp_path / "x", *flags)
    assert code == 2
    assert named in err


@pytest.mark.parametrize("experiment", ["speakers", "voiceprints"])
def test_an_embedder_that_is_not_here_is_told_before_anything_is_read(
    experiment: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--data", tmp_path, "--out", tmp_path / "x", "--embedder", "absent.onnx"]
    code, shown, err = train_command(capsys, "experiment", experiment, *words)
    assert (code, shown) == (3, "")
    assert "absent.onnx is no file" in err
