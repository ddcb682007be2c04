"""What this machine has and lacks, and how to mend it."""

from __future__ import annotations

import json
from pathlib import Path

from helpers.command_line import environment, livemerc, sentence


def test_doctor_names_what_is_wrong_and_how_to_mend_it(tmp_path: Path) -> None:
    home = environment(tmp_path) | {"LIVEMERC_MODEL_CHECKPOINT": str(tmp_path / "absent")}
    done = livemerc("doctor", "--json", env=home)
    report = json.loads(done.stdout)
    by_name = {finding["name"]: finding for finding in report["findings"]}
    assert done.returncode == 3
    assert report["usable"] is False
    assert by_name["Checkpoint"]["state"] == "fail"
    assert str(tmp_path / "absent") in by_name["Checkpoint"]["found"]
    assert by_name["torch"]["state"] == "ok"
    assert by_name["pocketsphinx"]["state"] == "ok"
    assert "none" in by_name["Whisper models"]["found"]
    assert "Art. 5(1)(f)" in by_name["Lawful use"]["found"]
    assert all(finding["mend"] for finding in report["findings"] if finding["state"] in ("warn", "fail"))


def test_models_lists_sizes_and_the_checkpoint(tmp_path: Path) -> None:
    done = livemerc("models", env=environment(tmp_path))
    assert done.returncode == 0
    assert b"base" in done.stdout
    assert b"Emotion checkpoint" in done.stdout


def test_an_unknown_model_is_refused_without_network(tmp_path: Path) -> None:
    done = livemerc("models", "pull", "enormous", env=environment(tmp_path, HF_HUB_OFFLINE="1"))
    assert done.returncode == 3
    assert "enormous" in sentence(done)
