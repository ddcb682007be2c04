"""`livemerc-train experiment read-prose`: a small one, on readers and words as they are heard."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.trainer.command import train_command

from livemerc.audio.read import read_samples
from livemerc.config import SAMPLE_RATE_HZ
from trainer.experiments.read_prose import LEAST_S, pieces, share_neutral


@pytest.fixture
def few_readers(shared_data: Path, tmp_path: Path) -> Path:
    """Every sixth clip of LibriSpeech, one of each reader, and one of LJSpeech."""
    for corpus, pattern, step in (("librispeech", "*.flac", 6), ("read", "LJ*.flac", 5)):
        folder = tmp_path / "data/speech" / corpus
        folder.mkdir(parents=True)
        for path in sorted((shared_data / "speech" / corpus).glob(pattern))[::step]:
            (folder / path.name).symlink_to(path)
    return tmp_path / "data"


def test_most_of_what_is_read_aloud_is_neutral(
    few_readers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "prose"
    code, shown, err = train_command(capsys, "experiment", "read-prose", "--data", few_readers, "--out", out)
    assert code == 0, err
    rows = json.loads((out / "figures.json").read_text())["rows"]
    (words, voice, fused) = (figures for name, figures in rows.items() if ", librispeech, " in name)
    assert words["pieces"] == voice["pieces"] == fused["pieces"] >= 10
    assert min(words["cold"], voice["cold"], fused["cold"]) > 0.5
    assert shown.count("\n") == 2 + 6


def test_pieces_are_all_of_a_clip_but_a_short_rest(few_readers: Path) -> None:
    whole = [read_samples(path, SAMPLE_RATE_HZ) for path in sorted((few_readers / "speech/librispeech").iterdir())]
    found = list(pieces(few_readers, "librispeech", 4.0))
    assert {len(piece) for _, piece in found[:1]} == {4 * SAMPLE_RATE_HZ}
    assert all(LEAST_S <= len(piece) / SAMPLE_RATE_HZ <= 4.0 for _, piece in found)
    lost = sum(map(len, whole)) - sum(len(piece) for _, piece in found)
    assert 0 <= lost < len(whole) * LEAST_S * SAMPLE_RATE_HZ
    assert np.array_equal(found[0][1], whole[0][: 4 * SAMPLE_RATE_HZ])


def test_a_share_of_nothing_is_no_number() -> None:
    assert np.isnan(share_neutral([]))
    assert share_neutral([np.eye(7)[0], np.eye(7)[3]]) == 0.5


def test_pieces_without_words_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = train_command(
        capsys, "experiment", "read-prose", "--data", tmp_path, "--out", tmp_path / "x", "--piece-s", 1
    )
    assert code == 2
    assert "--piece-s" in err
