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
    resume: bool = False
    overwrite: bool = False
    device: Literal["auto", "cpu", "cuda"] | None = None
    cache: Path | None = None
    pseudo_labels: Path | None = None
    max_steps: int | None = None
    tracker: Literal["tensorboard"] | None = None


def chosen_stages(stage: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """All of `known` for "all", else the one that `--stage` names. Raises `ConfigError` where `known` lacks it."""
    if stage != "all" and stage not in known:
        raise ConfigError(f"--stage {stage}: this recipe has all, {', '.join(known)}.")
    return known if stage == "all" else (stage,)
