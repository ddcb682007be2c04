"""The training loop of every stage of both recipes: resumable to the very weights, on one process or several."""

from __future__ import annotations

import json
import math
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from livemerc.errors import LivemercError
from trainer.loop import processes
from trainer.loop.average import Average
from trainer.loop.progress import Progress
from trainer.loop.saving import load_state, save_state
from trainer.loop.stage import Batch, LoopOptions, Optimisation, Phase, Stage
from trainer.loop.stage_files import StageFiles


@dataclass(slots=True)
class _Position:
    """Where training stands: `epoch` is under way, `step` optimiser steps of it and `steps` in all are done."""

    epoch: int = 1
    step: int = 0
    steps: int = 0
    loss: float = 0.0
    seconds: float = 0.0


def fit(stage: Stage[Any], out: Path, options: LoopOptions | None = None) -> dict[str, Any]:
    """Trains `stage.module`; on return it holds the weights of the kept epoch, whose figures are returned.

    Writes to `out` the files of `StageFiles`: an epoch is saved, then logged. A run that was interrupted goes on where
    its last state was saved and ends with the weights and the log of one that was not: batches, dropout and order are
    drawn from the seed and the epoch. Raises `ConfigError` if `out` was begun otherwise or its state is broken,
    `LivemercError` if the loss is not finite or the disk is full; the states so far are kept.
    """
    run = _Run(stage, out, options or LoopOptions())
    run.resume()
    run.train()
    stage.module.load_state_dict(load_state(run.files.best))
    return run.best


class _Run:
    """One sitting of a stage."""

    def __init__(self, stage: Stage[Any], out: Path, options: LoopOptions):
        self.stage, self.options = stage, options
        self.process = processes.accelerator()
        self.files = StageFiles(out, stage.name)
        self.device = next(stage.module.parameters()).device
        processes.same_start(stage.module)
        self.average = Average(stage.module, stage.average, stage.average_from)
        self.at = _Position()
        self.epochs: list[dict[str, Any]] = []
        """Figures of every epoch that is done: the log."""
        self.best: dict[str, Any] = {}
        self._before: dict[str, Any] | None = None
        """Optimisation and generators that this sitting goes on with."""

    def resume(self) -> None:
        state = self.files.read(self.options.begun_with, self.process.num_processes)
        if state is not None:
            self._before = {k: state[k] for k in ("optimisation", "generators")}
            self.stage.module.load_state_dict(state["module"])
            self.average.restore(state["average"])
            self.at = _Position(**json.loads(state["at"]))
            self.epochs, self.best = json.loads(state["epochs"]), json.loads(state["best"])
        self._settle()

    def train(self) -> None:
        first = 1
        for phase in self.stage.phases:
            after = first + phase.epochs
            if self.at.epoch < after:
                optimisation = phase.optimisation(self.stage.module)
                if self._before is not None and (self.at.epoch > first or self.at.step):
                    optimisation.restore(self._before.pop("optimisation"))
                while self.at.epoch < after:
                    if self._ended() or (phase.selects and self._out_of_patience(first)):
                        return
                    self._epoch(phase, optimisation)
            first = after

    def _ended(self) -> bool:
        return self.options.max_steps is not None and self.at.steps >= self.options.max_steps

    def _out_of_patience(self, first: int) -> bool:
        best = max(self.best.get("epoch", 0), first - 1)
        return self.stage.patience is not None and self.at.epoch - best > self.stage.patience

    def _epoch(self, phase: Phase[Any], optimisation: Optimisation) -> None:
        stage, at = self.stage, self.at
        started = time.monotonic() - at.seconds
        self._steps(phase, optimisation, started)
        if at.step == 0:
            raise LivemercError(
                f"{stage.name}: nothing to train on in epoch {at.epoch}; check the corpus' training split."
            )
        figures: dict[str, Any] = {"phase": phase.name} if phase.name else {}
        figures |= {"epoch": at.epoch, "loss": at.loss / at.step, **self._evaluated()}
        figures["seconds"] = time.monotonic() - started
        self.epochs.append(figures)
        if phase.selects and (not stage.select or figures["score"] > self.best.get("score", -math.inf)):
            self.best = figures
        self.at = _Position(at.epoch + 1, steps=at.steps)
        self._save(optimisation)
        self._settle()
        self._show(figures)

    def _steps(self, phase: Phase[Any], optimisation: Optimisation, started: float) -> None:
        """The optimiser steps of an epoch that are not done yet."""
        stage, at, rank = self.stage, self.at, self.process.process_index
        torch.manual_seed(stage.seed * 1000 + at.epoch + 1_000_003 * rank)
        done = at.step
        if done and self._before is not None:
            _restore_generators(self._before["generators"][rank], self.device)
        stage.module.train()
        batches = phase.batches(stage.generator(stage.seed, at.epoch))
        title = f"{stage.name}, {phase.name and phase.name + ' '}epoch {at.epoch} of {stage.epochs}"
        later = stage.steps_after(at.epoch)
        with Progress(title, done, phase.steps, later, shown=self.process.is_main_process) as progress:
            shared = processes.share(batches, rank, self.process.num_processes)
            for number, group in enumerate(processes.groups(shared, stage.accumulate), 1):
                if number <= done:
                    continue
                at.loss += _step(group, stage, optimisation, self.options.precision, at)
                self.average.update(at.steps)
                at.step, at.steps, at.seconds = at.step + 1, at.steps + 1, time.monotonic() - started
                progress.step(at.loss / at.step)
                if self._ended():
                    return
                if self.options.save_every and at.step % self.options.save_every == 0:
                    self._save(optimisation)

    def _evaluated(self) -> dict[str, float]:
        """Dev figures and their score, from the first process alone, so that all stop at the same epoch."""
        figures: dict[str, float] = {}
        if self.process.is_main_process:
            watched = self.stage.watch() if self.stage.watch else {}
            with self.average.in_place():
                figures = {**self.stage.evaluate(), **watched}
            if self.stage.select:
                figures["score"] = float(np.mean([figures[name] for name in self.stage.select]))
        figures = processes.from_first(figures)
        if math.isnan(figures.get("score", 0.0)):
            raise LivemercError(
                f"{self.stage.name}: the dev score of epoch {self.at.epoch} is not a number; the epochs so far are "
                "kept."
            )
        return figures

    def _save(self, optimisation: Optimisation) -> None:
        drawn = processes.of_all(_generators(self.device)) if self.at.step else None
        if self.process.is_main_process:
            state = {
                "module": self.stage.module.state_dict(), "optimisation": optimisation.state(),
                "average": self.average.state, "at": json.dumps(asdict(self.at)), "epochs": json.dumps(self.epochs),
                "best": json.dumps(self.best), "generators": drawn, "processes": self.process.num_processes,
            }  # fmt: skip
            self.files.save(state, self.options.begun_with)
        self.process.wait_for_everyone()

    def _settle(self) -> None:
        """Brings kept weights and log in line with the state: after each epoch, and at the start, because a kill may
        have come between the state and these."""
        if self.process.is_main_process:
            if not self.at.step and self.best.get("epoch") == self.at.epoch - 1:
                save_state(self.average.kept(), self.files.best)
            self.files.write_log(self.epochs)
        self.process.wait_for_everyone()

    def _show(self, figures: dict[str, Any]) -> None:
        if not self.process.is_main_process:
            return
        numbers = {k: v for k, v in figures.items() if not isinstance(v, str)}
        shown = figures | {k: round(v, 4) for k, v in numbers.items()}
        print(self.stage.name, shown, file=sys.stderr, flush=True)
        if self.options.tracker is not None:
            from torch.utils.tensorboard import SummaryWriter

            with SummaryWriter(str(self.options.tracker)) as writer:
                for key, value in numbers.items():
                    if key != "epoch":
                        writer.add_scalar(f"{self.stage.name}/{key}", value, figures["epoch"])


def _step(group: list[Batch], stage: Stage[Batch], optimisation: Optimisation, precision: str, at: _Position) -> float:
    """One optimiser step over `group`; returns its mean loss in this process."""
    parameters = [p for p in stage.module.parameters() if p.requires_grad]
    optimisation.optimiser.zero_grad()
    value = 0.0
    for batch in group:
        with autocast(parameters[0].device, precision):
            loss = stage.loss(batch)
        (loss / len(group)).backward()
        value += float(loss.detach()) / len(group)
    processes.average_gradients(parameters)
    norm = nn.utils.clip_grad_norm_(parameters, stage.clip)
    if not (math.isfinite(value) and bool(torch.isfinite(norm))):
        raise LivemercError(
            f"{stage.name}, epoch {at.epoch}, step {at.step + 1}: the loss or its gradient is not finite; lower the "
            "learning rate or look for NaN in the features. What was saved before is kept."
        )
    optimisation.step()
    return value


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """bfloat16 on a GPU where asked for; on a processor float32, which is what the tests compare."""
    if precision == "bfloat16" and device.type == "cuda":
        return torch.autocast("cuda", torch.bfloat16)
    return nullcontext()


def _generators(device: torch.device) -> dict[str, Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def _restore_generators(state: dict[str, Tensor], device: torch.device) -> None:
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
