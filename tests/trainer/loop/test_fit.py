"""The loop of Stages II and III: a loss that padding does not enter, early stopping, resumption to the very weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.command_line import environment
from helpers.paths import PROJECT
from helpers.trainer.dialogues import random_dialogue
from helpers.trainer.small_fit import same
from helpers.trainer.windowed_fit import Tiny, run_tiny

from trainer.loop.losses import BACK_WEIGHT, LAG_WEIGHT, window_loss
from trainer.loop.stage import LoopOptions
from trainer.loop.windows import Cut, WindowBatch, make_batch


def loss_batch() -> WindowBatch:
    return make_batch([random_dialogue(6), random_dialogue(2)], [Cut(0, 0, 6), Cut(1, 0, 2)])


def test_the_loss_ignores_padding() -> None:
    batch = loss_batch()
    logits = torch.randn(2, 6, 7, generator=torch.Generator().manual_seed(0))
    changed = logits.clone()
    changed[1, 2:] = 1e4
    assert window_loss(logits, batch) == window_loss(changed, batch)
    changed[1, 1] += torch.arange(7.0)
    assert window_loss(logits, batch) != window_loss(changed, batch)


def test_no_gradient_reaches_padding_or_what_is_left_out() -> None:
    batch = loss_batch()
    logits = torch.randn(2, 6, 7, generator=torch.Generator().manual_seed(0), requires_grad=True)
    where = torch.ones(2, 6, dtype=torch.bool)
    where[0, 3] = False
    window_loss(logits, batch, where).backward()
    assert logits.grad is not None
    reached = logits.grad.abs().sum(-1) > 0
    assert reached.tolist() == [[True] * 3 + [False] + [True] * 2, [True] * 2 + [False] * 4]


def test_the_loss_is_the_weighted_mean_by_lag() -> None:
    batch = loss_batch()
    logits = torch.randn(2, 6, 7, generator=torch.Generator().manual_seed(1))
    weight = {0: LAG_WEIGHT[0], 1: LAG_WEIGHT[1], 2: LAG_WEIGHT[2], 3: BACK_WEIGHT, 4: BACK_WEIGHT, 5: BACK_WEIGHT}
    total = shares = 0.0
    for b in range(2):
        for i in range(int(batch.lengths[b])):
            w = weight[int(batch.lag[b, i])]
            total += w * -float(logits[b, i].log_softmax(-1)[batch.labels[b, i]])
            shares += w
    assert float(window_loss(logits, batch)) == pytest.approx(total / shares, rel=1e-5)


def test_a_loss_over_nothing_is_zero_and_not_nan() -> None:
    assert float(window_loss(torch.randn(2, 6, 7), loss_batch(), torch.zeros(2, 6, dtype=torch.bool))) == 0.0


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_training_in_two_sittings_gives_exactly_the_weights_of_one(tmp_path: Path, average: float) -> None:
    whole, best = run_tiny(tmp_path / "whole", 4, average=average)
    run_tiny(tmp_path / "cut", 2, average=average)
    resumed, best_resumed = run_tiny(tmp_path / "cut", 4, average=average)
    assert same(whole, resumed)
    assert best["epoch"] == best_resumed["epoch"]
    assert best["score"] == best_resumed["score"]

    def log(folder: str) -> list[dict]:
        lines = [json.loads(line) for line in (tmp_path / folder / "tiny.jsonl").read_text().splitlines()]
        return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]

    assert log("whole") == log("cut")
    assert [line["epoch"] for line in log("cut")] == [1, 2, 3, 4]


def test_what_is_kept_of_an_averaged_run_is_the_average_and_training_goes_on_from_the_weights(tmp_path: Path) -> None:
    torch.manual_seed(0)
    start = Tiny()
    stepped, _ = run_tiny(tmp_path / "plain", 1, options=LoopOptions(max_steps=1))
    averaged, _ = run_tiny(tmp_path / "averaged", 1, average=0.75, options=LoopOptions(max_steps=1))
    for first, last, kept in zip(start.parameters(), stepped.parameters(), averaged.parameters(), strict=True):
        torch.testing.assert_close(kept, 0.75 * first + 0.25 * last)
    ends = [
        torch.load(tmp_path / run / "tiny.resume.pt", weights_only=True)["module"]["net.0.weight"]
        for run in ("plain", "averaged")
    ]
    assert torch.equal(*ends)


def test_the_best_epoch_before_an_interruption_is_still_the_one_that_is_kept(tmp_path: Path) -> None:
    scores = [0.1, 0.9, 0.3, 0.2]
    whole, best = run_tiny(tmp_path / "whole", 4, scores=scores)
    second, _ = run_tiny(tmp_path / "second", 2, scores=scores)
    run_tiny(tmp_path / "cut", 3, scores=scores)
    resumed, best_resumed = run_tiny(tmp_path / "cut", 4, scores=scores)
    assert best["epoch"] == best_resumed["epoch"] == 2
    assert same(whole, second)
    assert same(whole, resumed)


def test_training_stops_when_patience_ends_and_stays_stopped(tmp_path: Path) -> None:
    scores = [0.5, 0.4, 0.3, 0.2, 0.9, 0.9]
    module, best = run_tiny(tmp_path, 6, patience=2, scores=scores)
    assert best["epoch"] == 1
    assert len((tmp_path / "tiny.jsonl").read_text().splitlines()) == 3
    again, best_again = run_tiny(tmp_path, 6, patience=2, scores=scores)
    assert len((tmp_path / "tiny.jsonl").read_text().splitlines()) == 3
    assert best_again == best
    assert same(module, again)


KILLED = """
import os, sys
from pathlib import Path
from helpers.trainer import windowed_fit
import torch
real = windowed_fit.batches
epochs = []
def dying(*arguments):
    epochs.append(1)
    for number, batch in enumerate(real(*arguments)):
        if len(epochs) == 3 and number == 1:
            os._exit(9)  # as `kill -9` in the middle of the third epoch
        yield batch
windowed_fit.batches = dying
torch.set_num_threads(1)
windowed_fit.run_tiny(Path(sys.argv[1]), 4)
"""


def test_a_process_killed_in_the_middle_of_an_epoch_loses_that_epoch_only(tmp_path: Path) -> None:
    env = environment(PYTHONPATH=f"{PROJECT}:{PROJECT / 'tests'}")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "cut")], cwd=PROJECT, env=env, capture_output=True, check=False
    )
    assert done.returncode == 9, done.stderr.decode()
    assert len((tmp_path / "cut" / "tiny.jsonl").read_text().splitlines()) == 2
    whole, _ = run_tiny(tmp_path / "whole", 4)
    resumed, _ = run_tiny(tmp_path / "cut", 4)
    assert same(whole, resumed)
