"""Frozen Stage I features of the text corpora, extracted once: what Stages II and III train on."""

from __future__ import annotations

import csv
import random
import re
from pathlib import Path
from typing import Any

import numpy as np

from livemerc.emotions import LABELS
from livemerc.model.checkpoint import file_sha256
from livemerc.model.text import load_tokenizer
from trainer.compact.compose import TextDialogue
from trainer.compact.config import TextStage
from trainer.compact.text import asr_style, load_encoder, predict
from trainer.corpora.ravdess import STATEMENTS
from trainer.corpora.text_corpora import TextRow, read_meld
from trainer.loop.saving import save_arrays

SPLITS = ("train", "dev")
MISHEARD_DROP, MISHEARD_SWAP = 0.1, 0.25
"""Shares of words that a poor recogniser leaves out or takes for others."""
RAVDESS_STATEMENTS = tuple(statement.lower().rstrip(".") for statement in STATEMENTS.values())


class TextFeatures:
    """The features of a file that `extract` wrote, as dialogues."""

    def __init__(self, path: Path):
        self.arrays: dict[str, np.ndarray] = dict(np.load(path))
        self.sha256 = file_sha256(path)

    def dialogues(self, split: str, style: str) -> list[TextDialogue]:
        """style: "clean" | "plain"."""
        ends = np.cumsum(self.arrays[f"{split}_lengths"])[:-1]
        columns = (np.split(self.arrays[f"{split}_{name}"], ends) for name in (style, "labels", "speakers"))
        return [TextDialogue(t1, labels, list(speakers)) for t1, labels, speakers in zip(*columns, strict=True)]

    @property
    def prior(self) -> np.ndarray:
        """Label shares of MELD train, (7,)."""
        return np.bincount(self.arrays["train_labels"], minlength=len(LABELS)) / len(self.arrays["train_labels"])


def neutral_sentences(data: Path, count: int, seed: int) -> list[str]:
    """Unemotional sentences for voices to speak: LJSpeech (public domain), at most 16 words each, and RAVDESS's two."""
    with (data / "transcripts/ljspeech_metadata.csv").open(encoding="utf-8") as file:
        rows = [row[-1] for row in csv.reader(file, delimiter="|", quoting=csv.QUOTE_NONE) if len(row) > 1]
    rng = random.Random(seed)
    picked = [" ".join(text.split()[: rng.randint(3, 16)]) for text in rng.sample(rows, min(count, len(rows)))]
    return picked + list(RAVDESS_STATEMENTS) * max(1, count // 20)


def extract(config: TextStage, data: Path, text_stage: Path, out: Path) -> Path:
    """T1 of MELD's train and dev as written (`clean`) and in ASR style (`plain`), and of the neutral sentences.

    `plain` of dev loses case and punctuation only, so that figures compare; `plain` of train also gets wrong words.
    """
    encoder, tokenizer_path = load_encoder(text_stage)
    tokenizer = load_tokenizer(tokenizer_path)
    arrays: dict[str, Any] = {}
    vocabulary: list[str] = []
    for split in SPLITS:
        dialogues = read_meld(data / f"meld/{split}_sent_emo.csv")
        rows: list[TextRow] = [row for dialogue in dialogues for row in dialogue]
        rng = random.Random(config.seed)
        words = [w for r in rows for w in re.findall(r"[\w']+", r.text.lower())]
        vocabulary = words if split == "train" else vocabulary
        noise = (config.word_drop, config.word_swap) if split == "train" else (0.0, 0.0)
        texts = {"clean": [r.text for r in rows], "plain": [asr_style(r.text, rng, words, *noise) for r in rows]}
        for style, chosen in texts.items():
            t1, logits = predict(encoder, tokenizer, chosen)
            arrays[f"{split}_{style}"], arrays[f"{split}_{style}_logits"] = t1.numpy(), logits.numpy()
        arrays[f"{split}_labels"] = np.array([r.label for r in rows])
        arrays[f"{split}_speakers"] = np.array([r.speaker or "" for r in rows])
        arrays[f"{split}_lengths"] = np.array([len(d) for d in dialogues])
    sentences = neutral_sentences(data, 1500, config.seed)
    sentences += [asr_style(s, random.Random(i), ["the"], 0.0, 0.0) for i, s in enumerate(sentences)]
    # The sentences are added once more as a poor recogniser hears them, because read speech through pocketsphinx was
    # called joyful or angry for words that nobody had said. RAVDESS's two stay as they are, so that runs compare.
    misheard = [s for s in sentences[: len(sentences) // 2] if not s.startswith(RAVDESS_STATEMENTS)]
    sentences += [
        asr_style(s, random.Random(i), vocabulary, MISHEARD_DROP, MISHEARD_SWAP) for i, s in enumerate(misheard)
    ]
    arrays["neutral"] = predict(encoder, tokenizer, sentences)[0].numpy()
    arrays["neutral_is_ravdess"] = np.array([s.lower().startswith(RAVDESS_STATEMENTS) for s in sentences])
    out.mkdir(parents=True, exist_ok=True)
    path = out / "text.npz"
    save_arrays(arrays, path)
    return path
