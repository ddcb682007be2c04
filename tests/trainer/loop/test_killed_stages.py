"""kill -9 at random moments of every stage, also between a state and the log that is written from it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.command_line import environment
from helpers.paths import PROJECT
from helpers.trainer.small_stages import SmallStages

KILLS, SEED = 12, 0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize("stage", SmallStages(Path()).runs)
def test_a_stage_killed_at_random_moments_ends_as_one_that_was_not(stage: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "helpers.trainer.killed_stages", stage, str(tmp_path), str(KILLS), str(SEED)],
        env=environment(PYTHONPATH=f"{PROJECT}:{PROJECT / 'tests'}"), cwd=PROJECT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    print(stage, found)
    assert found["differs"] == []
    assert found["killed"] >= KILLS
    assert found["at_write"] >= 1
