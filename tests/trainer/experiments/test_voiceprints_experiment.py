"""`livemerc-train experiment voiceprints`: three readers are called by their names, four strangers by nobody's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.trainer.command import train_command

from trainer.corpora.speaker_split import speaker_split

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
READERS, STRANGERS = 3, 4


@pytest.fixture
def few_voices(shared_data: Path, tmp_path: Path) -> Path:
    """Three of LibriSpeech's readers, and four others."""
    read = tmp_path / "data/speech/librispeech"
    read.mkdir(parents=True)
    clips = sorted((shared_data / "speech/librispeech").glob("*.flac"))
    who = sorted({path.name.split("-")[0] for path in clips})[:READERS]
    for path in clips:
        if path.name.split("-")[0] in who:
            (read / path.name).symlink_to(path)
    others = tmp_path / "data/readers"
    others.mkdir()
    head, *rows = (shared_data / "readers/labels.tsv").read_text().splitlines()
    kept = [row for row in rows if row.split("\t")[1] in speaker_split()["C"]["readers"]][:STRANGERS]
    assert len(kept) == STRANGERS
    (others / "labels.tsv").write_text("\n".join([head, *kept]) + "\n")
    for row in kept:
        (others / row.split("\t")[0]).symlink_to(shared_data / "readers" / row.split("\t")[0])
    return tmp_path / "data"


def test_who_is_enrolled_is_named_and_strangers_are_not(
    few_voices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "voiceprints"
    options = ["--data", few_voices, "--out", out, "--conversations", 1]
    code, shown, err = train_command(capsys, "experiment", "voiceprints", *options)
    assert code == 0, err
    found = json.loads((out / "figures.json").read_text())
    assert found["enrolled"] == READERS
    (six,) = (row for name, row in found["rows"].items() if "as enrolled" in name and "6 s" in name)
    assert six["right"] > 0.8
    assert six["another's"] == 0
    assert six["strangers"] == STRANGERS
    assert six["strangers named"] <= 1 / STRANGERS
    (talk,) = (row for name, row in found["rows"].items() if name.startswith("conversations"))
    assert talk["asked"] > 10
    assert talk["right"] > 0.6
    assert shown.startswith("| ")
