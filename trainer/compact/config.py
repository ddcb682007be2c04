"""The configuration of the compact recipe: strict TOML, one struct for each stage."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from livemerc.errors import ConfigError
from trainer.loop.config_file import read_toml


class _Stage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    seed: int = 0


class TextStage(_Stage, frozen=True):
    """Stage I, text."""

    init: str
    pretrain_epochs: int
    pretrain_lr: float
    epochs: int
    lr: float
    batch: int
    weight_decay: float
    warm_up: float
    clip: float
    noise: float
    word_drop: float
    word_swap: float
    label_smoothing: float
    average: float
    pseudo_labels: str = ""
    pseudo_epochs: int = 0
    pseudo_lr: float = 0.0


class SpeechStage(_Stage, frozen=True):
    """Stage I, speech."""

    channels: int
    embedding: int
    dropout: float
    versions: int
    epochs: int
    fold_epochs: int
    cross_epochs: int
    clips_per_epoch: int
    batch: int
    lr: float
    weight_decay: float
    warm_up: float
    clip: float
    label_smoothing: float
    mixup: float
    clean_share: float
    neutral_share: float
    crop_min_s: float
    crop_max_s: float
    tempo: float
    warp: float
    shift_bins: float
    equaliser: float
    mask_bins: int
    mask_frames: int


class _WindowStage(_Stage, frozen=True):
    """What `loop.fit` needs; `batch` in dialogues, `patience` in epochs, `context` = K, `average` = decay a step."""

    heads: int
    dropout: float
    lr: float
    batch: int
    epochs: int
    patience: int
    context: int
    average: float


class ConversationStage(_WindowStage, frozen=True):
    """Stage II, per modality."""

    hidden: int


class FusionStage(_WindowStage, frozen=True):
    """Stage III. `mixture`: shares of words + voices, words alone, voices alone, voices over neutral words in
    dialogues, the same singly. `reading`: chance that such a draw brings a reader, neutral."""

    match: float
    soften: float
    mixture: list[float]
    reading: float
    dev_actors: list[str]
    readers: list[str]
    width: int


Stage = TypeVar("Stage", bound=_Stage)


def read_stage(path: Path, section: str, stage: type[Stage]) -> Stage:
    """Section `section` of a TOML file as `stage`. Raises `ConfigError` that names the key with its path."""
    tree = read_toml(path)
    try:
        return msgspec.convert(tree[section], stage)
    except KeyError as error:
        raise ConfigError(f"{path}: section [{section}] is missing.") from error
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: [{section}] {error}.") from error
