"""`livemerc-train experiment usual-voice`: an unseen actor's conversations, cold and warm; and who cannot be judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.trainer.command import train_command

NEUTRAL, CALM, ANGER = "01", "02", "05"
ENROLLED = 6


def linked(shared_data: Path, folder: Path, actor: str) -> Path:
    """A folder of corpora with an actor's neutral and angry clips."""
    (folder / "ravdess").mkdir(parents=True)
    for path in (shared_data / "ravdess").glob(f"03-01-*-{actor}.flac"):
        if path.name.split("-")[2] in (NEUTRAL, CALM, ANGER):
            (folder / "ravdess" / path.name).symlink_to(path)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_unseen_actor_is_judged_cold_and_warm(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = linked(shared_data, tmp_path / "data", "21"), tmp_path / "usual"
    clips = len(list((data / "ravdess").iterdir()))
    options = ["--data", data, "--out", out, "--corpora", "ravdess", "--orders", 1]
    code, shown, err = train_command(capsys, "experiment", "usual-voice", *options)
    assert code == 0, err
    rows = json.loads((out / "figures.json").read_text())["rows"]
    assert {name.rsplit(", ", 1)[1] for name in rows} == {"cold", "warm"}
    assert all(row["judged"] == clips - ENROLLED and row["speakers"] == 1 for row in rows.values())
    assert all(0 <= row["UAR"] <= 1 for row in rows.values())
    assert rows["ravdess, as enrolled, cold"] != rows["ravdess, as enrolled, warm"]
    assert shown.startswith("| ")


def test_whoever_a_stage_has_heard_is_not_judged(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = linked(shared_data, tmp_path / "data", "01")
    options = ["--data", data, "--out", tmp_path / "usual", "--corpora", "ravdess"]
    code, _, err = train_command(capsys, "experiment", "usual-voice", *options)
    assert code == 2
    assert "nobody whom no stage heard" in err
    code, _, err = train_command(capsys, "experiment", "usual-voice", *options, "--orders", 0)
    assert code == 2
    assert "--orders" in err
