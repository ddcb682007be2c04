"""A corpus as the stages take it: flat arrays a split, dialogues by their lengths."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from livemerc.errors import InputError
from trainer.corpora.corpus import SENTIMENTS, Corpus, LabelledUtterance
from trainer.loop import processes
from trainer.loop.losses import balanced_class_weights
from trainer.loop.metrics import classification_metrics
from trainer.loop.stage import Phase, Stage, adamw, warm_up_then_down
from trainer.loop.windows import DialogueFeatures
from trainer.merits_l.config import OptimisedSection

UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class Split:
    """n utterances of a split in the order of their dialogues. `lengths`: of the dialogues; `labels`, `sentiments`
    (n,) int64, -1 where unknown; `has_text` (n,) bool."""

    name: str
    utterances: list[LabelledUtterance]
    lengths: list[int]
    labels: np.ndarray
    sentiments: np.ndarray
    has_text: np.ndarray

    def __len__(self) -> int:
        return len(self.utterances)

    def dialogues(self, t1: np.ndarray, s1: np.ndarray, has_speech: np.ndarray) -> list[DialogueFeatures]:
        """t1 (n, Dt), s1 (n, Ds), has_speech (n,) of all utterances -> one `DialogueFeatures` a dialogue."""
        columns = (t1, s1, self.has_text, has_speech, self.labels, self.sentiments)
        parts = (np.split(column, np.cumsum(self.lengths)[:-1]) for column in columns)
        return [DialogueFeatures(*one) for one in zip(*parts, strict=True)]


def make_split(corpus: Corpus, name: str) -> Split:
    """The split `name` of a corpus, as arrays.

    Raises `InputError` where it is missing, empty, without a label, or (for training) of one class only.
    """
    dialogues = [d for d in corpus.splits.get(name, []) if d]
    utterances = [u for d in dialogues for u in d]
    if not utterances:
        raise InputError(
            f'corpus {corpus.name}: split {name!r} is empty; training needs utterances in "train" and in "dev".'
        )
    index = {label: i for i, label in enumerate(corpus.labels)}
    for u in utterances:
        if u.emotion is not None and u.emotion not in index:
            raise InputError(f"{u.where}: emotion {u.emotion!r} is not one of {', '.join(corpus.labels)}.")
    labels = np.array([UNKNOWN if u.emotion is None else index[u.emotion] for u in utterances])
    present = np.unique(labels[labels >= 0])
    if not len(present):
        raise InputError(
            f"corpus {corpus.name}: no utterance of split {name!r} has an emotion; check its label column."
        )
    if name == "train" and len(present) == 1:
        raise InputError(
            f"corpus {corpus.name}: every utterance of split {name!r} is {corpus.labels[present[0]]!r}; two classes or "
            "more are needed to learn from."
        )
    sentiments = np.array([UNKNOWN if u.sentiment is None else SENTIMENTS.index(u.sentiment) for u in utterances])
    has_text = np.array([bool(u.text.strip()) for u in utterances])
    return Split(name, utterances, [len(d) for d in dialogues], labels, sentiments, has_text)


def check_modalities(split: Split) -> None:
    """Raises `InputError` where no utterance has words, or none has audio: this recipe needs both."""
    mend = "this recipe needs words and voices; complete the corpus (`livemerc-train prepare` shows what is missing)."
    if not split.has_text.any():
        raise InputError(f"no utterance of split {split.name!r} has a text, and {mend}")
    if all(u.audio is None for u in split.utterances):
        raise InputError(f"no utterance of split {split.name!r} has its audio, and {mend}")


def fingerprint(splits: Iterable[Split]) -> str:
    """SHA-256 in hex of everything that a stage reads of these splits: a resumed run must meet the same."""
    digest = hashlib.sha256()
    for split in splits:
        digest.update(json.dumps([split.name, split.lengths]).encode())
        for u in split.utterances:
            row = [u.dialogue_id, u.utterance_id, u.text, u.audio and u.audio.name, u.start_s, u.end_s, u.emotion,
                   u.sentiment]  # fmt: skip
            digest.update(json.dumps(row).encode())
    return digest.hexdigest()


def check_finite(features: np.ndarray, split: Split, rows: np.ndarray, what: str) -> None:
    """Raises `InputError` that names the first utterance whose features (n, ...) hold NaN or infinity. `rows` (n,):
    which utterances of `split` they are."""
    broken = ~np.isfinite(features).reshape(len(features), -1).all(1)
    if broken.any():
        u = split.utterances[int(rows[int(np.argmax(broken))])]
        raise InputError(
            f"{u.where}: the {what} of dialogue {u.dialogue_id}, utterance {u.utterance_id} holds NaN or infinity "
            f"({int(broken.sum())} such utterances in split {split.name!r}); mend or leave out its recording or text."
        )


def make_stage(
    name: str,
    module: nn.Module,
    section: OptimisedSection,
    seed: int,
    make: Callable[[np.random.Generator], Iterable[Any]],
    loss: Callable[[Any], Tensor],
    evaluate: Callable[[], dict[str, float]],
    batches: int,
) -> Stage[Any]:
    """A stage that is optimised as `section` says. `batches` of an epoch, over all processes."""
    steps = math.ceil(math.ceil(batches / processes.accelerator().num_processes) / section.accumulate)
    total, rate = steps * section.epochs, None
    if section.warm_up:
        rate = partial(warm_up_then_down, warm=int(total * section.warm_up), total=total)
    optimisation = adamw(section.lr, section.weight_decay, rate)
    return Stage(
        name=name, module=module, phases=[Phase(section.epochs, make, optimisation, steps)], loss=loss,
        evaluate=evaluate, select=section.select, seed=seed, patience=section.patience, clip=section.clip,
        accumulate=section.accumulate,
    )  # fmt: skip


def class_weights(section: OptimisedSection, labels: np.ndarray, classes: int, device: torch.device) -> Tensor | None:
    """(C,) weights from the training labels (n,), where `section` asks for them."""
    return balanced_class_weights(labels, classes).to(device) if section.class_weights == "balanced" else None


def dev_figures(logits: Tensor, truth: np.ndarray) -> dict[str, float]:
    """Weighted F1, UAR and NLL over the labelled rows. logits (n, C), truth (n,) with -1 = unknown."""
    known = truth >= 0
    m = classification_metrics(logits.float().softmax(-1).numpy()[known], truth[known])
    return {k: m[k] for k in ("weighted_f1", "uar", "nll")}
