"""The training configuration: strict TOML, one struct a stage."""

from __future__ import annotations

from pathlib import Path

import msgspec

from livemerc.errors import ConfigError


class _Stage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    seed: int = 0


class TextStage(_Stage):
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


class ConversationStage(_Stage):
    """Stage II, per modality."""

    hidden: int
    heads: int
    dropout: float
    lr: float
    batch: int
    epochs: int
    patience: int
    context: int


class FusionStage(_Stage):
    """Stage III."""

    width: int
    heads: int
    dropout: float
    lr: float
    batch: int
    epochs: int
    patience: int
    context: int


def read_stage(path: Path, section: str, stage: type[_Stage]) -> _Stage:
    """Section `section` of a TOML file as `stage`. Raises `ConfigError` that names the key with its path."""
    try:
        tree = msgspec.toml.decode(path.read_bytes())
        return msgspec.convert(tree[section], stage)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name a file of configs/.") from error
    except KeyError as error:
        raise ConfigError(f"{path}: section [{section}] is missing.") from error
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise ConfigError(f"{path}: [{section}] {error}.") from error
