"""The compact recipe in miniature: made-up corpora and features, and configs/compact.toml with networks of seconds."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import torch
from helpers.trainer import tiny_models
from helpers.trainer.miniature import write_config
from helpers.trainer.releases import meld_table

from livemerc.emotions import LABELS
from trainer.compact.conversation import TEXT_WIDTH
from trainer.corpora.emorynlp import COLUMNS, COUNTERPARTS
from trainer.corpora.writings import WRITINGS

SMALL: dict[str, object] = {
    "text__pretrain_epochs": 2, "text__epochs": 2, "text__batch": 8, "text__soft_share": 0.0,
    "text__at_most": {}, "text__pretrain_lr": 1e-3, "text__lr": 1e-3,
    "voice__draws_per_epoch": 48, "voice__batch": 16, "voice__versions": 1, "voice__epochs": 3, "voice__heads": 2,
    "conversation__hidden": 8, "conversation__batch": 1, "conversation__epochs": 3, "conversation__context": 4,
    "fusion__width": 8, "fusion__batch": 2, "fusion__epochs": 3, "fusion__context": 4,
}  # fmt: skip


def write_small_text_encoder(folder: Path) -> Path:
    """A BERT of 32 dimensions with random weights and its tokenizer: an `init` of [text]."""
    from transformers import BertConfig, BertModel

    words = tiny_models.tokenizer(folder, fillers=80)
    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    BertModel(BertConfig(vocab_size=len(words), **size)).save_pretrained(folder)
    return folder


def small_compact_config(folder: Path, **changes: object) -> Path:
    """configs/compact.toml, made small; the encoder lies in `folder`. Keys as of `write_config`."""
    init = str(write_small_text_encoder(folder / "encoder"))
    return write_config(folder / "small.toml", "compact.toml", **{"text__init": init, **SMALL, **changes})


def write_text_corpora(folder: Path) -> Path:
    """MELD, GoEmotions, EmoryNLP and LJSpeech of a few dozen rows in their releases' layout."""
    rng = np.random.default_rng(0)

    def text() -> str:
        return " ".join(rng.choice(tiny_models.WORDS[:27], size=rng.integers(2, 9)))

    for split, count in (("train", 10), ("dev", 4)):
        lines = [
            (d, u, "Ross", text(), LABELS[int(rng.integers(len(LABELS)))], "neutral")
            for d in range(count) for u in range(4)
        ]  # fmt: skip
        meld_table(folder / "meld" / f"{split}_sent_emo.csv", lines)
    for name in ("goemotions", "emorynlp"):
        (folder / name).mkdir()
    (folder / "goemotions" / "ekman_labels.txt").write_text("\n".join(LABELS))
    comments = [f"{text()}\t{int(rng.integers(7))}\tc{n}" for n in range(30)]
    (folder / "goemotions" / "ekman_train.tsv").write_text("\n".join(comments))
    with (folder / "emorynlp" / "emorynlp_train_final.csv").open("w", newline="") as file:
        rows = [[text(), "['Ross']", str(rng.choice(list(COUNTERPARTS))), 1, n, 1, 1] for n in range(12)]
        csv.writer(file).writerows([COLUMNS, *rows])
    (folder / "transcripts").mkdir()
    read = "".join(f"LJ{n}|{text()}|{text()}\n" for n in range(20))
    (folder / "transcripts" / "ljspeech_metadata.csv").write_text(read)
    return folder


def write_text_features(path: Path) -> Path:
    """What `text_features.extract` leaves, of made-up dialogues whose class stands in T1 under noise."""
    rng = np.random.default_rng(1)
    arrays: dict[str, np.ndarray] = {}
    for split, count in (("train", 10), ("dev", 4)):
        lengths = rng.integers(2, 6, count)
        labels = rng.integers(len(LABELS), size=lengths.sum())
        for writing in WRITINGS:
            t1 = rng.standard_normal((len(labels), TEXT_WIDTH)).astype(np.float32)
            t1[np.arange(len(labels)), labels] += 3.0
            arrays[f"{split}_{writing}"], arrays[f"{split}_{writing}_logits"] = t1, t1[:, : len(LABELS)]
        if split == "train":
            arrays["train_soft"] = np.eye(len(LABELS), dtype=np.float32)[labels] * 0.65 + 0.05
        speakers = np.array([f"s{i % 2}" for i in range(len(labels))])
        arrays |= {f"{split}_labels": labels, f"{split}_speakers": speakers, f"{split}_lengths": lengths}
    arrays["neutral"] = rng.standard_normal((12, TEXT_WIDTH)).astype(np.float32)
    arrays["neutral_is_ravdess"] = np.arange(12) >= 9
    arrays["everyday"] = rng.standard_normal((6, TEXT_WIDTH)).astype(np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, allow_pickle=False, **arrays)
    return path


def write_embeddings(path: Path) -> Path:
    """What `compact.voice` leaves for the next stages: Stage I logits of a few voices of every part of the split, cold
    and warm."""
    rng = np.random.default_rng(2)
    cast = [("ravdess", str(a), part) for a, part in ((1, "A"), (17, "B"), (19, "B"), (20, "B"), (21, "C"))]
    cast += [("nemo", "EB0", "A"), ("nemo", "IC0", "B"), ("nemo", "TP0", "B"), ("nemo", "SM0", "C")]
    cast += [("readers", s, "B") for s in ("19", "83", "87", "98", "100")]
    rows = [
        (label, corpus, speaker, f"{speaker}-{label}-{n}", part, version, earlier)
        for version, earlier in (("clean", 0), ("clean-warm1", 3))
        for corpus, speaker, part in cast
        for label in (range(7) if corpus != "readers" else [0]) for n in range(2)
    ]  # fmt: skip
    columns = ("label", "corpus", "speaker", "clip_id", "split", "version", "earlier")
    arrays = {name: np.array(values) for name, values in zip(columns, zip(*rows, strict=True), strict=True)}
    logits = rng.standard_normal((len(rows), len(LABELS))).astype(np.float32)
    logits[np.arange(len(rows)), arrays["label"]] += 2.0
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, allow_pickle=False, s1=logits, logits=logits, **arrays)
    return path
