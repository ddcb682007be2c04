"""Speech alone on people it never heard: each group of a corpus' speakers is held out once, all others train.

The folds of the one corpus are trained with the whole of the other; nothing is selected on a test fold.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from livemerc.emotions import LABELS
from livemerc.errors import ConfigError, InputError
from trainer.compact.config import SpeechStage, read_stage
from trainer.compact.log_mels import BABBLE_READERS, Features
from trainer.compact.speech import encode, pick, softmax, summary, train_encoder
from trainer.corpora.acted import FOLDS
from trainer.experiments.results import FIGURES, table
from trainer.loop.metrics import classification_metrics
from trainer.loop.saving import save_json

Acted = Literal["ravdess", "nemo"]


def speaker_folds(corpus: Acted, everything: dict[str, Features]) -> dict[int, tuple[Features, Features]]:
    """{fold: (train, test)}. Raises `InputError` where no clip of a fold's speakers is there."""
    own, other = everything[corpus], everything["nemo" if corpus == "ravdess" else "ravdess"]
    folds = {}
    for number, held in enumerate(FOLDS[corpus], start=1):
        test = pick(own, lambda c, h=held: c.speaker in h)
        if not len(test):
            raise InputError(f"{corpus}: no clip of the speakers {', '.join(held)}; complete the copy.")
        folds[number] = (pick(own, lambda c, h=held: c.speaker not in h) + other, test)
    return folds


def train_folds(
    config: SpeechStage, everything: dict[str, Features], out: Path, folds: dict[int, tuple[Features, Features]]
) -> dict[str, Any]:
    """{"folds": [{"speakers", figures}], "mean_uar", "pooled": figures of all test clips}; a fold that is finished
    below `out` is not trained again."""
    rows, truths = [], []
    result: dict[str, Any] = {"folds": []}
    for fold, (train, test) in folds.items():
        if config.neutral_share > 0:
            train = train + pick(everything["librispeech"], lambda c: c.speaker in BABBLE_READERS)
        encoder = train_encoder(train, config, config.fold_epochs, out / f"fold{fold}")
        rows.append(softmax(encode(encoder, test)[1]))
        truths.append(np.array([c.label for c in test.clips]))
        figures = summary(classification_metrics(rows[-1], truths[-1], LABELS))
        result["folds"].append({"speakers": sorted({c.speaker for c in test.clips}), **figures})
        print(f"livemerc-train: fold {fold}: UAR {figures['uar']:.3f}", file=sys.stderr, flush=True)
    result["mean_uar"] = float(np.mean([f["uar"] for f in result["folds"]]))
    result["pooled"] = summary(classification_metrics(np.concatenate(rows), np.concatenate(truths), LABELS))
    return result


def run(
    corpus: Acted, config: Path, everything: dict[str, Features], out: Path, chosen: Sequence[int] | None
) -> list[str]:
    """The table of the folds. `chosen`: only these, so that a second process takes the others; the figures are written
    by the run that has them all. Raises `ConfigError` for a fold that there is not."""
    folds = speaker_folds(corpus, everything)
    unknown = [fold for fold in chosen or () if fold not in folds]
    if unknown:
        raise ConfigError(f"--folds {unknown[0]}: {corpus} has the folds 1 to {len(folds)}.")
    wanted = {fold: folds[fold] for fold in folds if not chosen or fold in chosen}
    result = train_folds(read_stage(config, "speech", SpeechStage), everything, out, wanted)
    shown = {f"fold {fold} ({', '.join(of['speakers'])})": of for fold, of in zip(wanted, result["folds"], strict=True)}
    if len(wanted) < len(folds):
        print(f"livemerc-train: run it without --folds for {FIGURES}: what is trained is kept", file=sys.stderr)
    else:
        save_json(result, out / FIGURES)
        shown |= {"mean": {"uar": result["mean_uar"]}, "pooled": result["pooled"]}
    plain = ("speakers", "recall")
    return table({name: {k: v for k, v in figures.items() if k not in plain} for name, figures in shown.items()})
