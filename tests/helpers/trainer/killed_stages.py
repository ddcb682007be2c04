"""Kills a stage at random moments and resumes it; a process that has imported torch forks a child for each sitting.

    python -m helpers.trainer.killed_stages STAGE FOLDER KILLS SEED

Prints one JSON object: how many children were killed, how many of them at a chosen write, and what differed.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from helpers.trainer.small_stages import SmallStages


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_write(number: int, after: bool) -> None:
    """Before or after the file of this number takes its place: state, kept weights and log are each such a file, so
    that these moments lie between a state and what is written from it."""
    real, seen = Path.replace, [0]

    def replace(self: Path, target: Path) -> Path:
        seen[0] += 1
        if seen[0] == number and not after:
            die()
        found = real(self, target)
        if seen[0] == number:
            die()
        return found

    mock.patch.object(Path, "replace", replace).start()  # never undone: this child ends here


def sitting(work: Callable[[], object], kill_after_s: float | None, at_write: tuple[int, bool] | None) -> bool:
    """`work` in a child, killed or not; True where it was killed before its end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            if at_write is not None:
                die_at_write(*at_write)
            work()
            code = 0
        finally:
            os._exit(code)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(child, signal.SIGKILL)  # a child that has ended is a zombie until waitpid: its id is still its own
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0, "the stage failed"
    return False


def log(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text().splitlines() if path.exists() else []
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def differences(stages: SmallStages, stage: str, out: Path, whole: Path) -> list[str]:
    folder, name = stages.files(stage, out)
    mine, theirs = stages.weights(stage, out), stages.weights(stage, whole)
    found = [] if mine.keys() == theirs.keys() else ["other weights"]
    found += [key for key in mine if key in theirs and not torch.equal(mine[key], theirs[key])]
    wanted = log(stages.files(stage, whole)[0] / f"{name}.jsonl")
    return found + ([] if log(folder / f"{name}.jsonl") == wanted else ["log"])


def main(stage: str, folder: Path, kills: int, seed: int) -> dict[str, Any]:
    torch.set_num_threads(1)
    rng = random.Random(f"{seed} {stage}")
    stages = SmallStages(folder / "made")
    run = stages.runs[stage]
    (folder / "made").mkdir(parents=True)
    run(folder / "whole")  # makes the data; a child then finds it in memory and on disk
    started = time.monotonic()
    assert not sitting(partial(run, folder / "again"), None, None)
    length_s = time.monotonic() - started
    result: dict[str, Any] = {"killed": 0, "at_write": 0, "sittings": 0, "length_s": round(length_s, 2)}
    result["differs"] = differences(stages, stage, folder / "again", folder / "whole")
    wanted = log(stages.files(stage, folder / "whole")[0] / f"{stages.file_name(stage)}.jsonl")
    while result["killed"] < kills:
        out = folder / "cut"
        shutil.rmtree(out, ignore_errors=True)
        killed = True
        while killed:
            # a third of the moments are between two files, a few runs are killed over and over
            aimed = rng.random() < 1 / 3
            at_write = (rng.randint(1, 3 * len(wanted)), rng.random() < 0.5) if aimed else None
            again = result["killed"] < kills and (not out.exists() or rng.random() < 0.3)
            moment_s = rng.uniform(0.0, length_s) if again and not aimed else None
            killed = sitting(partial(run, out), moment_s, at_write if again else None)
            result["sittings"] += 1
            result["killed"] += killed
            result["at_write"] += killed and aimed
            at_death, name = stages.files(stage, out)
            lines = log(at_death / f"{name}.jsonl")
            if lines != wanted[: len(lines)]:
                result["differs"].append(f"log of a killed run: {lines}")
        result["differs"] += differences(stages, stage, out, folder / "whole")
    return result


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
