"""The teacher: a larger encoder, fine-tuned as the student is, that labels every line of the text corpora softly."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor

from livemerc.emotions import LABELS
from trainer.compact import soft_labels
from trainer.compact.config import TextCorpus, TextStage
from trainer.compact.soft_labels import SoftLabels
from trainer.compact.text import load_encoder, mixed_precision, predict
from trainer.compact.text import train as train_text
from trainer.compact.text_lines import Line, Reading, read_lines
from trainer.corpora.corpus import SENTIMENTS, LabelledUtterance
from trainer.corpora.meld import parse_meld
from trainer.corpora.writings import as_whisper

LABELLED: tuple[TextCorpus, ...] = ("meld", "emorynlp", "goemotions", "ljspeech")
MARKED: tuple[TextCorpus, ...] = ("meld", "emorynlp")
"""Corpora whose transcribers wrote what they heard people feel into marks."""


def train(config: TextStage, data: Path, out: Path) -> Path:
    """Trains the teacher in `out` and labels the corpora; returns the file that `SoftLabels` reads.

    `config.init` may be the name of a folder below `data`. What is labelled already is not labelled again. Raises
    `ModelError`, `InputError`.
    """
    local = (data / config.init).resolve()
    chosen = msgspec.structs.replace(config, init=str(local)) if local.is_dir() else config
    figures = train_text(chosen, data, out)
    path = out / soft_labels.PATH.name
    shown = {k: f"{v:.4f}" for k, v in figures.items() if isinstance(v, float)}
    shown |= {
        "teacher": Path(config.init).name,
        "seed": str(config.seed),
        "sentiment": f"{sentiment_agreement(out, data):.4f}",
    }
    logits = SoftLabels(path).all() if path.exists() else {}
    for corpus in LABELLED:
        if f"{corpus}/whisper" not in logits:
            logits |= label(corpus, config.context, data, out)
            soft_labels.write(path, logits, shown)
    return path


def label(corpus: TextCorpus, context: int, data: Path, folder: Path) -> dict[str, Tensor]:
    """`corpus/reading` -> (N, 7) logits of the teacher in `folder`, as `SoftLabels` names them."""
    encoder, tokenizer = load_encoder(folder)
    logits = {}
    for name, readings in _readings(corpus, read_lines(data, corpus), context):
        print(f"livemerc-train: the teacher labels {corpus}, {name}", file=sys.stderr)
        with torch.inference_mode(), mixed_precision():
            logits[f"{corpus}/{name}"] = predict(encoder, tokenizer, readings)[1]
    return logits


def sentiment_agreement(folder: Path, data: Path) -> float:
    """Share of MELD dev whose sentiment the teacher in `folder` gives, each line by itself in Whisper's writing: the
    figure that the paper has of its own teacher is .5298.

    What an emotion says of the sentiment is counted on MELD train: surprise is either.
    """
    encoder, tokenizer = load_encoder(folder)
    counts = np.zeros((len(LABELS), len(SENTIMENTS)))
    for u in _utterances(data, "train"):
        counts[LABELS.index(u.emotion or ""), SENTIMENTS.index(u.sentiment or "")] += 1
    dev = _utterances(data, "dev")
    with torch.inference_mode(), mixed_precision():
        logits = predict(encoder, tokenizer, [Reading(as_whisper(u.text)) for u in dev])[1]
    sentiments = logits.float().softmax(-1).numpy() @ (counts / counts.sum(1, keepdims=True))
    truth = np.array([SENTIMENTS.index(u.sentiment or "") for u in dev])
    return float((sentiments.argmax(1) == truth).mean())


def _utterances(data: Path, split: str) -> list[LabelledUtterance]:
    return [u for dialogue in parse_meld(data / f"meld/{split}_sent_emo.csv")[0] for u in dialogue]


def _readings(corpus: TextCorpus, lines: list[Line], context: int) -> Iterator[tuple[str, list[Reading]]]:
    """The readings of `soft_labels.READINGS` that the corpus has, and that a teacher with so much `context` knows."""
    yield "whisper", [line.read(as_whisper) for line in lines]
    if corpus in MARKED:
        yield "written", [line.read(str) for line in lines]
    if corpus == "meld" and context:
        yield "context", [line.read(as_whisper, context) for line in lines]
