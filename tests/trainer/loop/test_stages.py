"""What a stage may ask of the loop: what selects, phases with optimisers of their own, an average, watched figures."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.trainer.small_fit import network, same
from torch import nn

from trainer.loop import fit as loop
from trainer.loop.fit import fit
from trainer.loop.saving import save_state
from trainer.loop.stage import LAST_EPOCH, LoopOptions, Phase, Stage, adamw
from trainer.loop.stage_files import StageFiles

X = torch.randn(24, 6, generator=torch.Generator().manual_seed(0))
Y = X[:, :3].argmax(1)


def make(rng: np.random.Generator) -> Iterable[np.ndarray]:
    return np.split(rng.permutation(24), 4)


def staged(figures: list[dict[str, float]], select: Any, **settings: Any) -> Stage[Any]:
    """A stage whose dev figures are `figures`, epoch by epoch, wherever it is resumed."""
    module = network()
    log = settings.pop("log", None)

    def evaluate() -> dict[str, float]:
        return figures[len(log.read_text().splitlines()) if log is not None and log.exists() else 0]

    phases = settings.pop("phases", None) or [Phase(len(figures), make, adamw(1e-2))]
    return Stage(
        name="staged", module=module, phases=phases, evaluate=evaluate, select=select, seed=1,
        loss=lambda rows: nn.functional.cross_entropy(module(X[rows]), Y[rows]), **settings,
    )  # fmt: skip


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "staged.jsonl").read_text().splitlines()]


FIGURES = [{"a": 0.1, "b": 0.9}, {"a": 0.4, "b": 0.8}, {"a": 0.5, "b": 0.1}]


@pytest.mark.parametrize(("select", "kept"), [(("a",), 3), (("b",), 1), (("a", "b"), 2), (LAST_EPOCH, 3)])
def test_the_epoch_is_kept_that_the_named_figures_choose(tmp_path: Path, select: tuple[str, ...], kept: int) -> None:
    stage = staged(FIGURES, select, log=tmp_path / "staged.jsonl")
    best = fit(stage, tmp_path)
    assert best["epoch"] == kept
    shorter = staged(FIGURES[:kept], LAST_EPOCH, log=tmp_path / "shorter" / "staged.jsonl")
    fit(shorter, tmp_path / "shorter")
    assert same(stage.module, shorter.module)
    assert [line.get("score") for line in lines(tmp_path)] == [
        pytest.approx(np.mean([f[name] for name in select])) if select else None for f in FIGURES
    ]


def test_a_phase_that_does_not_select_keeps_nothing_and_does_not_end_the_stage(tmp_path: Path) -> None:
    figures = [{"a": 0.9}, {"a": 0.8}, {"a": 0.7}, {"a": 0.1}, {"a": 0.2}]
    phases = [Phase(3, make, adamw(1e-2), name="before", selects=False), Phase(2, make, adamw(1e-3), name="after")]
    best = fit(staged(figures, ("a",), phases=phases, patience=1, log=tmp_path / "staged.jsonl"), tmp_path)
    assert best["epoch"] == 5
    assert [line["phase"] for line in lines(tmp_path)] == ["before"] * 3 + ["after"] * 2


def test_a_phase_begins_with_a_fresh_optimiser_wherever_the_run_was_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def halves() -> Stage[Any]:
        rates = [Phase(2, make, adamw(1e-2, rate=lambda step: 1 / (step + 1))), Phase(2, make, adamw(1e-3))]
        return staged([{"a": 0.0}], LAST_EPOCH, phases=rates, average=0.9, average_from="first step")

    whole = halves()
    fit(whole, tmp_path / "whole")
    real = loop._step
    for cut in range(1, 16):
        left = [cut]

        def stopping(*arguments: Any, left: list[int] = left) -> float:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return real(*arguments)

        out, options = tmp_path / str(cut), LoopOptions(save_every=3)
        with monkeypatch.context() as patched:
            patched.setattr(loop, "_step", stopping)
            with pytest.raises(KeyboardInterrupt):
                fit(halves(), out, options)
        resumed = halves()
        fit(resumed, out, options)
        assert same(whole.module, resumed.module), cut
        assert [line["epoch"] for line in lines(out)] == [1, 2, 3, 4]


def test_watched_figures_are_of_the_last_step_and_the_others_of_the_average(tmp_path: Path) -> None:
    module = network()
    seen: dict[str, torch.Tensor] = {}

    def note(name: str) -> dict[str, float]:
        seen[name] = module[0].weight.detach().clone()
        return {name: float(seen[name].mean())}

    stage = Stage(
        name="staged", module=module, phases=[Phase(1, make, adamw(1e-2))], seed=1, select=("average",), average=0.5,
        loss=lambda rows: nn.functional.cross_entropy(module(X[rows]), Y[rows]), evaluate=lambda: note("average"),
        watch=lambda: note("last"),
    )  # fmt: skip
    best = fit(stage, tmp_path)
    assert torch.equal(module[0].weight, seen["average"])
    assert not torch.equal(seen["average"], seen["last"])
    assert best["score"] == best["average"]
    assert best["last"] == float(seen["last"].mean())


def test_what_a_kill_left_out_between_state_weights_and_log_is_written_at_the_next_start(tmp_path: Path) -> None:
    stage = staged(FIGURES, LAST_EPOCH, log=tmp_path / "staged.jsonl")
    fit(stage, tmp_path)
    files = StageFiles(tmp_path, "staged")
    kept, log = torch.load(files.best, weights_only=True), files.log.read_text()
    files.log.write_text("".join(log.splitlines(keepends=True)[:-1]))
    save_state({k: v + 1 for k, v in kept.items()}, files.best)  # of the epoch before
    fit(staged(FIGURES, LAST_EPOCH), tmp_path)
    assert files.log.read_text() == log
    again = torch.load(files.best, weights_only=True)
    assert all(torch.equal(again[k], kept[k]) for k in kept)


def test_the_steps_that_are_left_are_counted_over_all_phases() -> None:
    phases = [Phase(2, make, adamw(1.0), 5), Phase(1, make, adamw(1.0)), Phase(2, make, adamw(1.0), 7)]
    stage = staged([{}], LAST_EPOCH, phases=phases)
    assert [stage.steps_after(epoch) for epoch in range(6)] == [24, 19, 14, 14, 7, 0]
