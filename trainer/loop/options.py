"""What a user asks of a training run beside configuration, data and folder; every recipe takes the same options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from livemerc.errors import ConfigError


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """The flags of `livemerc-train train`, named as they are; None = not given."""

    stage: str = "all"
    """compact: text, voice, context, and by name alone teacher; merits-l: pretrain, text, speech, conversation, fusion.
    Default: all."""
    resume: bool = False
    """Insist that a run is there to go on with."""
    overwrite: bool = False
    """Begin the chosen stages anew."""
    device: Literal["auto", "cpu", "cuda"] | None = None
    """merits-l: where to compute (default auto)."""
    cache: Path | None = None
    """merits-l: folder of the frozen speech features (default: OUT/cache)."""
    pseudo_labels: Path | None = None
    """merits-l: corpus written by `pseudo-label`, for Stage 0; without it Stage 0 is left out."""
    max_steps: int | None = None
    """merits-l: end each stage after so many optimiser steps, to try a set-up."""
    tracker: Literal["tensorboard"] | None = None
    """merits-l: tensorboard writes to OUT/tensorboard what the JSONL files hold."""


def chosen_stages(stage: str, known: tuple[str, ...], by_name: tuple[str, ...] = ()) -> tuple[str, ...]:
    """All of `known` for "all", else the one that `--stage` names, which may be one of `by_name`. Raises `ConfigError`
    where it is neither."""
    if stage not in ("all", *known, *by_name):
        raise ConfigError(f"--stage {stage}: this recipe has all, {', '.join((*known, *by_name))}.")
    return known if stage == "all" else (stage,)
