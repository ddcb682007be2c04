"""The training loop: early stopping on dev, resumable to the very weights, on one process or several.

Every stage trains by it but Stage I of the compact recipe, whose two encoders have loops of their own.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from livemerc.errors import ConfigError, LivemercError
from trainer.loop import processes
from trainer.loop.differences import first_difference
from trainer.loop.saving import append_line, load_state, save_state, write_whole

Batch = TypeVar("Batch")
FORMAT = 3
"""Format of the resume file."""


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """How a stage is run, beside what it learns.

    `rate`: factor of the learning rate by optimiser step (from 0); None = constant. `accumulate`: batches of a process
    to one optimiser step. `precision`: bfloat16 = autocast where the module's device is a GPU; float32 elsewhere.
    `save_every`: optimiser steps between two states inside an epoch, 0 = whole epochs only. `max_steps`: ends the
    stage after so many optimiser steps. `average`: decay, by step, of a moving average of the weights, which is then
    what dev judges and what is kept; 0 = the weights themselves. `begun_with`: what a resumed run must share with the
    one that began it.
    """

    clip: float = 1.0
    rate: Callable[[int], float] | None = None
    accumulate: int = 1
    precision: Literal["float32", "bfloat16"] = "float32"
    save_every: int = 0
    max_steps: int | None = None
    average: float = 0.0
    tracker: Path | None = None
    begun_with: dict[str, Any] | None = None


def warm_up_then_down(step: int, warm: int, total: int) -> float:
    """Share of the learning rate: linear up over `warm` steps, linear down to 0 at `total`."""
    return min((step + 1) / max(1, warm), max(0.0, (total - step) / max(1, total - warm)))


@dataclass(slots=True)
class _Progress:
    """Where training stands: `epoch` is under way, `step` optimiser steps of it and `steps` in all are done."""

    epoch: int = 1
    step: int = 0
    steps: int = 0
    loss: float = 0.0
    seconds: float = 0.0


def fit(
    name: str,
    module: nn.Module,
    epochs: int,
    patience: int,
    lr: float,
    seed: int,
    make_batches: Callable[[np.random.Generator], Iterable[Batch]],
    loss_of: Callable[[Batch], Tensor],
    evaluate: Callable[[], dict[str, float]],
    out: Path,
    weight_decay: float = 0.01,
    options: LoopOptions | None = None,
) -> dict[str, float]:
    """Trains `module`; on return it holds the weights of the epoch with the best `evaluate()["score"]`.

    Writes to `out`: NAME.jsonl (a line an epoch), NAME.best.pt, NAME.resume.pt. A run that was interrupted goes on
    where its last state was saved and ends with the weights of one that was not: batches, dropout and order are drawn
    from `seed` and the epoch. Only parameters that require a gradient are trained. Raises `ConfigError` if `out` was
    begun otherwise, `LivemercError` if the loss is not finite or the disk is full; the states so far are kept.
    """
    options = options or LoopOptions()
    process = processes.accelerator()
    files = _Files(out, name)
    parameters = [p for p in module.parameters() if p.requires_grad]
    device = next(module.parameters()).device
    processes.same_start(module)
    optimiser = torch.optim.AdamW(parameters, lr=lr, weight_decay=weight_decay)
    best: dict[str, Any] = {"score": -math.inf, "epoch": 0}
    at = _Progress()
    average = _Average(module, options.average)
    generators: list[Any] | None = None
    if files.resume.exists():
        state = files.read(options, process.num_processes)
        module.load_state_dict(state["module"])
        optimiser.load_state_dict(state["optimiser"])
        best, generators, at = json.loads(state["best"]), state["generators"], _Progress(**json.loads(state["at"]))
        average.restore(state["average"])

    def save() -> None:
        drawn = processes.of_all(_generators(device)) if at.step else None
        if process.is_main_process:
            save_state(
                {"format": FORMAT, "module": module.state_dict(), "optimiser": optimiser.state_dict(),
                 "best": json.dumps(best), "at": json.dumps(_plain(at)), "generators": drawn,
                 "average": average.state, "begun_with": json.dumps(options.begun_with),
                 "processes": process.num_processes},
                files.resume,
            )  # fmt: skip
        process.wait_for_everyone()

    def ended() -> bool:
        return options.max_steps is not None and at.steps >= options.max_steps

    if process.is_main_process:
        files.forget_after(at.epoch - 1)
    while at.epoch <= epochs and at.epoch - best["epoch"] <= patience and not ended():
        # Seeded by epoch: a resumed run draws what an uninterrupted one would.
        rng = np.random.default_rng([seed, at.epoch])
        torch.manual_seed(seed * 1000 + at.epoch + 1_000_003 * process.process_index)
        if at.step and generators is not None:
            _restore_generators(generators[process.process_index], device)
        started = time.monotonic() - at.seconds
        module.train()
        shared = processes.share(make_batches(rng), process.process_index, process.num_processes)
        skip = at.step
        with processes.bar(process.is_main_process) as bar:
            task = bar.add_task(f"{name}, epoch {at.epoch}", total=None)
            for number, group in enumerate(processes.groups(shared, options.accumulate), 1):
                if number <= skip:
                    continue
                if options.rate is not None:
                    for part in optimiser.param_groups:
                        part["lr"] = lr * options.rate(at.steps)
                at.loss += _step(module, parameters, optimiser, group, loss_of, options, f"{name}, epoch {at.epoch}")
                average.update(module)
                at.step, at.steps, at.seconds = at.step + 1, at.steps + 1, time.monotonic() - started
                bar.update(task, advance=1, description=f"{name}, epoch {at.epoch}, loss {at.loss / at.step:.4f}")
                if ended():
                    break
                if options.save_every and at.step % options.save_every == 0:
                    save()
        if at.step == 0:
            raise LivemercError(f"{name}: nothing to train on in epoch {at.epoch}; check the corpus' training split.")
        trained = average.swap_in(module)
        figures = {
            "epoch": at.epoch, "loss": at.loss / at.step, **processes.from_first(_evaluated(process, evaluate)),
            "seconds": time.monotonic() - started,
        }  # fmt: skip
        if math.isnan(figures["score"]):
            raise LivemercError(
                f"{name}: the dev score of epoch {at.epoch} is not a number; the epochs so far are kept."
            )
        improved = figures["score"] > best["score"]
        if improved:
            best = figures
        if process.is_main_process:
            files.note(figures, options.tracker)
            if improved:
                save_state(module.state_dict(), files.best)
        if trained is not None:
            module.load_state_dict(trained)
        at.epoch, at.step, at.loss, at.seconds = at.epoch + 1, 0, 0.0, 0.0
        save()
    module.load_state_dict(load_state(files.best))
    return best


class _Average:
    """Moving average of the trained weights (Polyak & Juditsky 1992): dev figures swing less from epoch to epoch."""

    def __init__(self, module: nn.Module, decay: float):
        self.decay = decay
        self.state = {k: p.detach().clone() for k, p in _trained(module)} if decay else {}

    def restore(self, state: dict[str, Tensor]) -> None:
        for key, value in state.items():
            self.state[key].copy_(value)

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        for key, parameter in _trained(module) if self.decay else ():
            self.state[key].lerp_(parameter, 1 - self.decay)

    def swap_in(self, module: nn.Module) -> dict[str, Tensor] | None:
        """Puts the average in; returns what was there, None where nothing is averaged."""
        if not self.decay:
            return None
        before = {k: v.clone() for k, v in module.state_dict().items()}
        module.load_state_dict({**before, **self.state})
        return before


def _trained(module: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(k, p) for k, p in module.named_parameters() if p.requires_grad]


def _step(
    module: nn.Module,
    parameters: list[nn.Parameter],
    optimiser: torch.optim.Optimizer,
    group: list[Batch],
    loss_of: Callable[[Batch], Tensor],
    options: LoopOptions,
    where: str,
) -> float:
    """One optimiser step over `group`; returns its mean loss in this process."""
    device = parameters[0].device
    optimiser.zero_grad()
    value = 0.0
    for batch in group:
        with autocast(device, options.precision):
            loss = loss_of(batch)
        (loss / len(group)).backward()
        value += float(loss.detach()) / len(group)
    processes.average_gradients(parameters)
    norm = nn.utils.clip_grad_norm_(parameters, options.clip)
    if not (math.isfinite(value) and bool(torch.isfinite(norm))):
        raise LivemercError(
            f"{where}: the loss or its gradient is not finite; lower the learning rate or look for NaN in the "
            "features. What was saved before is kept."
        )
    optimiser.step()
    return value


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """bfloat16 on a GPU where asked for; on a processor float32, which is what the tests compare."""
    if precision == "bfloat16" and device.type == "cuda":
        return torch.autocast("cuda", torch.bfloat16)
    return nullcontext()


def _evaluated(process: Any, evaluate: Callable[[], dict[str, float]]) -> dict[str, float] | None:
    """Dev figures, from the first process alone; the others take its figures, so that all stop at the same epoch."""
    return evaluate() if process.is_main_process else None


def _generators(device: torch.device) -> dict[str, Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def _restore_generators(state: dict[str, Tensor], device: torch.device) -> None:
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


def _plain(at: _Progress) -> dict[str, Any]:
    return {k: getattr(at, k) for k in _Progress.__slots__}


class _Files:
    """The files of one stage."""

    def __init__(self, out: Path, name: str):
        self.name = name
        self.resume = out / f"{name}.resume.pt"
        self.best = out / f"{name}.best.pt"
        self.log = out / f"{name}.jsonl"

    def read(self, options: LoopOptions, world: int) -> dict[str, Any]:
        state = load_state(self.resume)
        if state.get("format") != FORMAT:
            raise ConfigError(f"{self.resume}: written by another version; train this stage again with --overwrite.")
        begun = json.loads(state["begun_with"])
        now = json.loads(json.dumps(options.begun_with))
        if begun != now:
            raise ConfigError(
                f"{self.resume}: {first_difference(begun or {}, now or {})}; name another --out or --overwrite."
            )
        if json.loads(state["at"])["step"] and state["processes"] != world:
            raise ConfigError(
                f"{self.resume}: was saved inside an epoch by {state['processes']} processes, not {world}; start as "
                "many, or --overwrite."
            )
        return state

    def forget_after(self, epoch: int) -> None:
        """Removes the lines of epochs whose state was not saved, because they are trained again."""
        if self.log.exists():
            kept = [line for line in self.log.read_text().splitlines(True) if json.loads(line)["epoch"] <= epoch]
            write_whole(self.log, lambda file: file.write("".join(kept).encode()))

    def note(self, figures: dict[str, float], tracker: Path | None) -> None:
        append_line(figures, self.log)
        print(self.name, {k: round(v, 4) for k, v in figures.items()}, flush=True)
        if tracker is not None:
            from torch.utils.tensorboard import SummaryWriter

            with SummaryWriter(str(tracker)) as writer:
                for key, value in figures.items():
                    if key != "epoch":
                        writer.add_scalar(f"{self.name}/{key}", value, int(figures["epoch"]))
