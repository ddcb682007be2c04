"""The configuration of the full-size recipe: strict TOML, every key of a stage in one struct."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from livemerc.errors import ConfigError
from livemerc.toml_file import read_toml

Count = Annotated[int, Meta(ge=1)]
Whole = Annotated[int, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
Amount = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, lt=1)]


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class CorpusSection(_Strict, frozen=True, kw_only=True):
    """`name` of a reader in trainer/corpora; `options` go to it. The folder comes from `--data`."""

    name: str
    options: dict[str, str | int | float | bool] = {}


class RunSection(_Strict, frozen=True, kw_only=True):
    """What all stages share. `context`: K, utterances in a window; `windows`: moments of a dialogue that an epoch of
    Stages II and III trains on, beside the dialogue whole; `save_every`: optimiser steps between two saved states
    inside an epoch, 0 = whole epochs only."""

    seed: Whole
    context: Count
    windows: Count
    precision: Literal["float32", "bfloat16"]
    save_every: Whole


class OptimisedSection(_Strict, frozen=True, kw_only=True):
    """`accumulate`: batches of a process to a step; `warm_up`: share of the steps in which the rate rises, after which
    it falls to 0 (0 = constant rate); `select`: figures on dev whose mean chooses the epoch; `patience`: epochs without
    a better one."""

    lr: Positive
    weight_decay: Amount
    clip: Positive
    batch: Count
    accumulate: Count = 1
    warm_up: Share = 0.0
    epochs: Count
    patience: Count
    select: Annotated[list[Literal["weighted_f1", "uar"]], Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: ["weighted_f1"]
    )
    label_smoothing: Share = 0.0
    class_weights: Literal["none", "balanced"] = "none"


class ExtraTermsSection(OptimisedSection, frozen=True, kw_only=True):
    """Terms over a stage's states, off by default: `contrastive` and `sentiment` are weights of their terms."""

    contrastive: Amount = 0.0
    contrastive_temperature: Positive = 0.1
    sentiment: Amount = 0.0


class PretrainSection(OptimisedSection, frozen=True, kw_only=True):
    """Stage 0: the text encoder on pseudo-labels. `dev_share` of the rows select the epoch."""

    dev_share: Annotated[float, Meta(gt=0, lt=1)]


class TextSection(ExtraTermsSection, frozen=True, kw_only=True):
    """Stage I, text. `encoder`, `weights`: as of `trainer.fronts.encoders`; `max_tokens`: longer texts are cut."""

    encoder: str
    weights: Literal["pretrained", "random"]
    max_tokens: Annotated[int, Meta(ge=4, le=512)]


class SpeechSection(ExtraTermsSection, frozen=True, kw_only=True):
    """Stage I, speech: a light head (`embedding` wide) over the frozen `front`."""

    front: str
    weights: Literal["pretrained", "random"]
    embedding: Count
    dropout: Share


class ConversationSection(ExtraTermsSection, frozen=True, kw_only=True):
    """Stage II, one modality. `hidden`: width of the GRU in each direction."""

    hidden: Count
    layers: Count
    heads: Count
    dropout: Share


class ConversationSections(_Strict, frozen=True, kw_only=True):
    text: ConversationSection
    speech: ConversationSection


class FusionSection(OptimisedSection, frozen=True, kw_only=True):
    """Stage III. `modality_dropout`: chance that a window loses one modality."""

    width: Count
    heads: Count
    dropout: Share
    modality_dropout: Share = 0.0


class MeritsLConfig(_Strict, frozen=True, kw_only=True):
    """A whole file."""

    recipe: Literal["merits-l"]
    corpus: CorpusSection
    run: RunSection
    pretrain: PretrainSection
    text: TextSection
    speech: SpeechSection
    conversation: ConversationSections
    fusion: FusionSection


def read_config(path: Path) -> MeritsLConfig:
    """A configuration of the full-size recipe. Raises `ConfigError` that names the key with its path."""
    tree = read_toml(path, "name a file of configs/")
    try:
        config = msgspec.convert(tree, MeritsLConfig)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {_with_path(str(error))}.") from error
    for name, section, width in (
        ("conversation.text", config.conversation.text, 2 * config.conversation.text.hidden),
        ("conversation.speech", config.conversation.speech, 2 * config.conversation.speech.hidden),
        ("fusion", config.fusion, config.fusion.width),
    ):
        if width % section.heads:
            raise ConfigError(f"{path}: {name}.heads = {section.heads} does not divide the width of {width}.")
    return config


def _with_path(message: str) -> str:
    """msgspec's message with the key's whole path: "unknown key `text.leraning_rate`"."""
    where = re.search(r" - at `\$\.?(.*)`$", message)
    prefix = f"{where.group(1)}." if where and where.group(1) else ""
    body = message[: where.start()] if where else message
    named = re.fullmatch(r"Object (contains unknown|missing required) field `(.*)`", body)
    if named:
        return f"{'unknown' if 'unknown' in named.group(1) else 'missing'} key `{prefix}{named.group(2)}`"
    return f"`{prefix.rstrip('.')}`: {body}"
