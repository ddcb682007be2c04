"""What dialogical decoding adds on MELD dev, to words that the model heard alone and to words in their context.

The decoder is fitted on the labels of MELD train; each checkpoint is a seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from livemerc.config import DialogueConfig
from livemerc.emotions import LABELS
from livemerc.model.checkpoint import read_manifest
from livemerc.model.encoders import load_model
from livemerc.pipeline.decoder import DialogueDecoder
from trainer.corpora.corpus import LabelledUtterance
from trainer.corpora.manifest import ManifestRow
from trainer.corpora.meld import parse_meld
from trainer.evaluation.evaluate import Encoded, encode, judge
from trainer.experiments.results import FIGURES, Rows, mean_table
from trainer.loop.metrics import classification_metrics
from trainer.loop.saving import save_json

Dialogue = Sequence[LabelledUtterance]


def words(dialogues: Sequence[Dialogue]) -> list[list[ManifestRow]]:
    """The dialogues as `evaluate` takes them, without audio."""
    return [
        [
            ManifestRow(**{name: getattr(u, name) for name in LabelledUtterance.__dataclass_fields__}, line=0, split="")
            for u in dialogue
        ]
        for dialogue in dialogues
    ]


def decoded(decoder: DialogueDecoder, dialogues: Sequence[Dialogue], rows: np.ndarray) -> np.ndarray:
    """(N, C) probabilities of all utterances -> the decoder's last word on each."""
    out, at = np.empty_like(rows), 0
    for dialogue in dialogues:
        for number, utterance in enumerate(dialogue):
            fed = dict(zip(LABELS, rows[at + number].tolist(), strict=True))
            for one in decoder.feed(utterance.speaker, fed):
                out[at + one.index] = list(one.probabilities.values())
        decoder.flush()
        at += len(dialogue)
    return out


def one_checkpoint(checkpoint: Path | None, train: Sequence[Dialogue], dev: Sequence[Dialogue], lag: int) -> Rows:
    """Figures of the words by one checkpoint, with and without the decoder."""
    model, encoders = load_model(checkpoint, "cpu", 1)
    rule = read_manifest(checkpoint).abstention
    encoded = encode(words(dev), encoders)
    truth = np.array([LABELS.index(u.emotion or "") for dialogue in dev for u in dialogue])
    labels = [[(u.speaker, u.emotion or "") for u in dialogue] for dialogue in train]
    prior = dict(zip(model.labels, model.prior, strict=True))

    def judged(dialogues: Sequence[Sequence[Encoded]], revise: int) -> np.ndarray:
        config = DialogueConfig(revise=revise)
        return np.concatenate([judge(model, d, config, rule, text=True, speech=False) for d in dialogues])

    def figures(rows: np.ndarray) -> dict[str, float]:
        found = classification_metrics(rows, truth, LABELS)
        return {name: found[name] for name in ("weighted_f1", "uar", "nll")}

    rows: Rows = {}
    for delay in sorted({0, lag}):
        heard = {"alone": judged([[e] for d in encoded for e in d], 0), "in context": judged(encoded, delay)}
        for name, p in heard.items():
            at = f"{name}, lag {delay}"
            rows[at] = figures(p)
            for balance, wanted in ((0.0, "decoded"), (1.0, "decoded for UAR")):
                decoder = DialogueDecoder.fit(labels, LABELS, delay, prior=prior, balance=balance)
                rows[f"{at}, {wanted}"] = figures(decoded(decoder, dev, p))
    return rows


def run(checkpoints: Sequence[Path | None], meld: Path, lag: int, out: Path) -> list[str]:
    """All checkpoints: the table. `meld`: folder of MELD's CSV files. Raises `InputError`, `ModelError`."""
    train, dev = (parse_meld(meld / f"{split}_sent_emo.csv")[0] for split in ("train", "dev"))
    seeds = [one_checkpoint(checkpoint, train, dev, lag) for checkpoint in checkpoints]
    save_json({"checkpoints": [str(path) for path in checkpoints], "seeds": seeds}, out / FIGURES)
    return mean_table(seeds)
