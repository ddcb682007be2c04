"""The configuration of the compact recipe: strict TOML, one struct for each stage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from livemerc.errors import ConfigError
from livemerc.toml_file import read_toml
from trainer.corpora.writings import WRITINGS, Writing
from trainer.loop.differences import flat

TextCorpus = Literal["meld", "goemotions", "emorynlp", "ljspeech"]
Shares = Annotated[list[float], msgspec.Meta(min_length=len(WRITINGS), max_length=len(WRITINGS))]
"""Of the writings, in their order."""


class _Stage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    seed: int = 0


class TextStage(_Stage, frozen=True):
    """Stage I, text: of the student that ships, and of its teacher.

    `corpora`: in the first phase all of them train, a head each, at most `at_most` lines of each an epoch; in the
    second MELD alone. `new_lr`: peak rate of the layers that begin at zero, in both. `writings`: shares of the four
    (`trainer.corpora.writings`). `context`: lines before that are read along, with speaker marks; `alone`: share of
    lines that are read without. `soft_share`: of the teacher's soft labels in the loss, the rest is of the corpora's
    own labels; 0 = no teacher. `select`: writings in which weighted F1 on dev chooses among the epochs of MELD alone.
    `save_every`: steps between two states that a run can go on from.
    """

    init: str
    corpora: list[TextCorpus]
    at_most: dict[TextCorpus, int]
    pretrain_epochs: int
    pretrain_lr: float
    epochs: int
    lr: float
    new_lr: float
    batch: int
    weight_decay: float
    warm_up: float
    clip: float
    writings: Shares
    label_smoothing: float
    average: float
    context: int = 0
    alone: float = 0.0
    soft_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    save_every: int = 0
    select: list[Writing] = msgspec.field(default_factory=lambda: ["whisper"])


class VoiceStage(_Stage, frozen=True):
    """Stage I, speech: a head over voice statistics. It selects nothing: what the last epoch leaves is kept.

    `rows`, `kinds`: the statistics, as of `livemerc.model.whisper_encoder.Layout`, whose `part_s` is in seconds;
    `same_level`: every clip as loud.
    `hidden`, `bound`, `shrinkage`, `spread`: of the head, `hidden`, `clip`, `shrinkage` and `spread` of
    `livemerc.model.voice_head.HeadConfig`. `corpora` train, all acted, and the readers at
    `neutral_share` of the draws; `baseline_mixture`: shares of draws without a baseline, and with one of mostly
    neutral, of random, of only neutral utterances.
    """

    rows: list[int]
    kinds: list[Literal["mean", "deviation", "delta"]]
    same_level: bool
    part_s: Annotated[float, msgspec.Meta(gt=0)]
    hidden: Annotated[int, msgspec.Meta(ge=0)]
    bound: Annotated[float, msgspec.Meta(gt=0)]
    shrinkage: Annotated[float, msgspec.Meta(gt=0)]
    spread: Annotated[float, msgspec.Meta(ge=0)]
    corpora: list[str]
    neutral_share: float
    versions: int
    clean_share: float
    heads: int
    epochs: int
    draws_per_epoch: int
    batch: int
    lr: float
    l2: float
    warm_up: float
    clip: float
    label_smoothing: float
    mask_absent: bool
    baseline_mixture: Annotated[list[float], msgspec.Meta(min_length=4, max_length=4)]
    mostly_neutral: float

    @property
    def peak(self) -> float | None:
        """Of the encoder's `Layout`."""
        return 1.0 if self.same_level else None


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
    """Stage II, per modality. `writings`: shares of the four in which the text branch reads a dialogue; `soft_share`:
    of the teacher's soft labels in its loss; `reading`: so many dialogues of read sentences, all neutral, for each of
    MELD's. `stage1_share`: of S1 in the speech branch's log-probabilities, from Stage III on, as of
    `livemerc.model.merits.ConversationModel`. `select_text`: writings in which weighted F1 on dev chooses the epoch;
    `select_speech`: figures whose mean does."""

    hidden: int
    writings: Shares
    soft_share: Annotated[float, msgspec.Meta(ge=0, le=1)]
    reading: Annotated[float, msgspec.Meta(ge=0)]
    stage1_share: Annotated[float, msgspec.Meta(ge=0, le=1)]
    select_text: list[Writing] = msgspec.field(default_factory=lambda: ["whisper"])
    select_speech: list[Literal["weighted_f1", "uar"]] = msgspec.field(default_factory=lambda: ["weighted_f1", "uar"])


class FusionStage(_WindowStage, frozen=True):
    """Stage III. `writings`: shares of the four in which the words of composed dialogues are read. `mixture`: shares
    of words + voices, words alone, voices alone, voices over neutral words in dialogues, the same singly. `reading`:
    readers, neutral, that such a draw brings along on average; `stretches`: share of the dialogues of neutral words
    that are a reader's, neutral throughout; `everyday`: share of the neutral words under acted voices that are short
    sentences as actors are given them, not prose. `nameless`: share of dialogues in which nobody knows who speaks, and
    no voice has a baseline; in Stage II speech, too. `words_share`: of the words alone in the log-probabilities where
    both are there, given after training. `select`: figures on dev whose mean chooses the epoch."""

    writings: Shares
    match: float
    soften: float
    nameless: Annotated[float, msgspec.Meta(ge=0, le=1)]
    mixture: list[float]
    reading: Annotated[float, msgspec.Meta(ge=0)]
    stretches: Annotated[float, msgspec.Meta(ge=0, le=1)]
    everyday: Annotated[float, msgspec.Meta(ge=0, le=1)]
    words_share: Annotated[float, msgspec.Meta(ge=0, le=1)]
    dev_actors: list[str]
    width: int
    # Options, off by default: `livemerc.model.fusion_options`, and the term of `trainer.loop.losses`. `contrastive` and
    # `latent` are weights in the loss; `latent` 0 = no distributions.
    recursions: Annotated[int, msgspec.Meta(ge=0, le=8)] = 0
    gate_temperature: Annotated[float, msgspec.Meta(gt=0)] = 0.1
    contrastive: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    contrastive_temperature: Annotated[float, msgspec.Meta(gt=0)] = 0.1
    latent: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    select: list[Literal["words", "composed", "clips"]] = msgspec.field(
        default_factory=lambda: ["words", "composed", "clips"]
    )


Stage = TypeVar("Stage", bound=_Stage)


def read_stage(path: Path, section: str, stage: type[Stage]) -> Stage:
    """Section `section` of a TOML file as `stage`. Raises `ConfigError` that names the key with its path."""
    tree = read_toml(path, "name a file of configs/")
    try:
        return msgspec.convert(tree[section], stage)
    except KeyError as error:
        raise ConfigError(f"{path}: section [{section}] is missing.") from error
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: [{section}] {error}.") from error


SECTIONS: dict[str, type[_Stage]] = {
    "teacher": TextStage, "text": TextStage, "voice": VoiceStage, "conversation": ConversationStage,
    "fusion": FusionStage,
}  # fmt: skip


def settings(path: Path, *sections: str) -> dict[str, Any]:
    """{"section.key": value} of the file's `sections`, defaults included. Raises as `read_stage` does."""
    return flat({name: msgspec.to_builtins(read_stage(path, name, SECTIONS[name])) for name in sections})


def complete(path: Path) -> dict[str, Any]:
    """The sections of a file with every key that it leaves to its default. Raises `ConfigError`."""
    there = read_toml(path, "name a file of configs/")
    return {n: msgspec.to_builtins(read_stage(path, n, kind)) for n, kind in SECTIONS.items() if n in there}
