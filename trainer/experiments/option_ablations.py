"""What the options that are off by default are worth in Stage II of the text, on cached features.

Each features file is one seed of Stage I; Stage II takes its number as its own seed. Figures are weighted F1 and UAR on
MELD dev at lag 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor

from livemerc.emotions import LABELS
from livemerc.errors import InputError
from trainer.compact import conversation as stages
from trainer.compact.config import ConversationStage, FusionStage, read_stage
from trainer.compact.text_features import TextFeatures
from trainer.corpora.corpus import SENTIMENTS
from trainer.corpora.meld import parse_meld
from trainer.corpora.writings import WRITINGS
from trainer.experiments.results import Rows, over_seeds
from trainer.loop.fit import fit
from trainer.loop.losses import ExtraTerms, balanced_class_weights, window_loss
from trainer.loop.windows import DialogueFeatures, WindowBatch, all_cuts, batches


@dataclass(frozen=True, slots=True)
class Option:
    """Weights of the terms `contrastive` (HCAM) and `sentiment`; `balanced` class weights; label `smoothing`."""

    contrastive: float = 0.0
    sentiment: float = 0.0
    balanced: bool = False
    smoothing: float = 0.0


OPTIONS = {
    "none": Option(),
    "supervised contrastive .1": Option(contrastive=0.1),
    "sentiment head .5": Option(sentiment=0.5),
    "class weights": Option(balanced=True),
    "label smoothing .1": Option(smoothing=0.1),
}
TEMPERATURE = 0.1
"""Temperature of the contrastive term, as in the full-size configurations."""


def with_sentiments(dialogues: list[DialogueFeatures], csv: Path) -> list[DialogueFeatures]:
    """The same dialogues with MELD's sentiments; features were extracted in this very order, which labels confirm."""
    read, _ = parse_meld(csv)
    if [[LABELS.index(u.emotion or "") for u in d] for d in read] != [f.labels.tolist() for f in dialogues]:
        raise InputError(f"{csv}: its rows are not those of the features; extract them again.")
    found = [
        np.array([-1 if u.sentiment is None else SENTIMENTS.index(u.sentiment) for u in dialogue]) for dialogue in read
    ]
    return [replace(features, sentiments=own) for features, own in zip(dialogues, found, strict=True)]


def one_option(
    option: Option, text: TextFeatures, meld: Path, stage: ConversationStage, fusion: FusionStage, out: Path
) -> dict[str, float]:
    """Stage II of the text with `option`; figures of the kept epoch at lag 0."""
    model = stages.build(stage, fusion, text.width, len(LABELS))
    written = stages.in_writings(text, "train", len(LABELS))
    train = {w: with_sentiments(dialogues, meld / "train_sent_emo.csv") for w, dialogues in written.items()}
    dev = stages.in_writings(text, "dev", len(LABELS))
    weights = balanced_class_weights(text.arrays["train_labels"], len(LABELS)) if option.balanced else None
    extra = ExtraTerms(model.text_context.width, option.contrastive, TEMPERATURE, option.sentiment)
    network = torch.nn.ModuleDict({"context": model.text_context, "extra": extra})

    def loss(b: WindowBatch) -> Tensor:
        states, logits = model.text_context(b.t1, b.has_text, b.lengths)
        there = b.has_text & (b.labels >= 0)
        main = window_loss(logits, b, b.has_text, weights, option.smoothing, stage.soft_share)
        return main + extra(states[there], b.labels[there], b.sentiments[there])

    def score() -> dict[str, float]:
        found = {w: stages.figures(model, d, stage.context, "text") for w, d in dev.items()}
        return {w: f["weighted_f1"] for w, f in found.items()} | {"uar": found["whisper"]["uar"]}

    def make(rng: np.random.Generator) -> Iterable[WindowBatch]:
        chosen = stages.draw_writings(train, stage.writings, rng)
        return batches(chosen, all_cuts(chosen, stage.context), stage.batch * 4, rng)

    plan = stages.window_stage("option", network, stage, make, loss, score, stage.select_text)
    kept = fit(plan, out, stages.begun_with(stage, text, option=msgspec.to_builtins(option)))
    return {k: kept[k] for k in (*WRITINGS, "uar")}


def run(features: Sequence[Path], meld: Path, config: Path, out: Path) -> list[str]:
    """All options with every seed: the table. `meld`: folder of MELD's CSV files."""
    fusion = read_stage(config, "fusion", FusionStage)
    conversation = read_stage(config, "conversation", ConversationStage)

    def one_seed(seed: int, path: Path, folder: Path) -> Rows:
        stage, text = msgspec.structs.replace(conversation, seed=seed), TextFeatures(path)
        return {
            name: one_option(option, text, meld, stage, fusion, folder / name.replace(" ", "-"))
            for name, option in OPTIONS.items()
        }

    return over_seeds(features, out, one_seed)
