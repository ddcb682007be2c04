"""The shipped full-size configuration of MELD at its true size: two real optimiser steps of every stage on a processor.
(IEMOCAP's and MOSI's networks are MELD's; `test_merits_l_recipe.py` trains them small.)

RoBERTa-large and WavLM-base+ with random weights, on a miniature corpus; in a process of its own, whose peak memory is
measured.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.command_line import environment
from helpers.paths import PROJECT
from helpers.trainer.miniature import tone, write_config

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

EXPECTED = {"text": 355_000_000, "speech": 190_000, "conversation-text": 13_000_000, "conversation-speech": 900_000,
            "fusion": 1_000_000}  # fmt: skip

MEASURED = """
import resource, sys
from trainer.cli import main
try:
    main(sys.argv[1:])
finally:
    print("peak KiB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def write_meld(root: Path) -> Path:
    root.mkdir()
    emotions = {"anger": "negative", "joy": "positive", "neutral": "neutral"}
    header = ["Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID", "Season",
              "Episode", "StartTime", "EndTime"]  # fmt: skip
    for split, folder in (("train", "train_splits"), ("dev", "dev_splits_complete")):
        with (root / f"{split}_sent_emo.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(header)
            # more than one batch of 32: the second step is in the first epoch, so 5 GB of state are written once
            for d in range(11 if split == "train" else 2):
                for u, (emotion, sentiment) in enumerate(emotions.items()):
                    times = ["00:00:01,000", "00:00:02,000"]
                    rows.writerow([u, f"well {emotion}", "Ross", emotion, sentiment, d, u, 1, 1, *times])
                    tone(root / folder / f"dia{d}_utt{u}.wav", 150 + 50 * u)
    return root


def test_two_steps_of_every_stage_at_full_size(tmp_path: Path) -> None:
    data = write_meld(tmp_path / "meld")
    config = write_config(tmp_path / "c.toml", "merits-l-meld.toml", text__weights="random", speech__weights="random")
    run = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, "train", config, "--data", data, "--out", run, "--device", "cpu",
         "--max-steps", "2", "--threads", "2"],
        env=environment(), capture_output=True, text=True, cwd=PROJECT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    for stage, size in EXPECTED.items():
        record = json.loads((run / stage / "stage.json").read_text())
        assert record["trained"] == pytest.approx(size, rel=0.35), stage
        lines = [json.loads(line) for line in (run / stage / f"{stage}.jsonl").read_text().splitlines()]
        assert all(np.isfinite(line["loss"]) for line in lines)
    assert json.loads((run / "speech" / "stage.json").read_text())["front_parameters"] > 94_000_000
    assert (run / "checkpoint" / "merits-l.json").exists()
    assert int(done.stdout.rsplit("peak KiB", 1)[1]) < 12 * 2**20
