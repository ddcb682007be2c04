"""Frozen Stage I features of the text corpora, extracted once: what Stages II and III train on."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from livemerc.emotions import LABELS
from livemerc.model.checkpoint import file_sha256
from trainer.compact.compose import TextDialogue
from trainer.compact.config import TextStage
from trainer.compact.soft_labels import SoftLabels
from trainer.compact.text import load_encoder, predict
from trainer.compact.text_lines import Reading, read_ljspeech
from trainer.corpora.ravdess import STATEMENTS
from trainer.corpora.text_corpora import TextRow, everyday_sentences, read_meld
from trainer.corpora.writings import WRITINGS, Writing, plain, read_confusions, writer
from trainer.loop.saving import save_arrays

SPLITS = ("train", "dev")
NEUTRAL = 4000
"""Unemotional sentences."""
MOST_WORDS = 24
"""Of one of them: an utterance of some eight seconds."""
RAVDESS_STATEMENTS = tuple(statement.lower().rstrip(".") for statement in STATEMENTS.values())


class TextFeatures:
    """The features of a file that `extract` wrote, as dialogues."""

    def __init__(self, path: Path):
        self.arrays: dict[str, np.ndarray] = dict(np.load(path))
        self.sha256 = file_sha256(path)

    def dialogues(self, split: str, writing: Writing) -> list[TextDialogue]:
        """MELD's dialogues; those of train with what the teacher says, where `extract` had one."""
        soft = [f"{split}_soft"] if f"{split}_soft" in self.arrays else []
        ends = np.cumsum(self.arrays[f"{split}_lengths"])[:-1]
        names = (f"{split}_{writing}", f"{split}_labels", f"{split}_speakers", *soft)
        columns = (np.split(self.arrays[name], ends) for name in names)
        return [TextDialogue(t1, labels, list(who), *rest) for t1, labels, who, *rest in zip(*columns, strict=True)]

    @property
    def width(self) -> int:
        """Of T1."""
        return int(self.arrays["train_whisper"].shape[1])

    @property
    def has_teacher(self) -> bool:
        """Whether MELD's train lines have a teacher's labels in context."""
        return "train_soft" in self.arrays

    @property
    def read_sentences(self) -> np.ndarray:
        """T1 of LJSpeech's sentences, (N, Dt): nothing in them says an emotion."""
        return self.arrays["neutral"][~self.arrays["neutral_is_ravdess"]]

    @property
    def everyday_sentences(self) -> np.ndarray:
        """T1 of sentences as actors are given them, (N, Dt); nothing in them says an emotion, either."""
        return self.arrays["everyday"]

    @property
    def prior(self) -> np.ndarray:
        """Label shares of MELD train, (7,)."""
        return np.bincount(self.arrays["train_labels"], minlength=len(LABELS)) / len(self.arrays["train_labels"])


def neutral_sentences(data: Path, count: int, seed: int, teacher: SoftLabels | None = None) -> list[str]:
    """Unemotional sentences for voices to speak: pieces of LJSpeech's (public domain), half of them from a sentence's
    beginning and half from anywhere in it, as endpointing cuts prose, and RAVDESS's two. With a `teacher` of
    LJSpeech, only of sentences that it calls neutral."""
    rows = read_ljspeech(data)
    if teacher is not None and teacher.labels("ljspeech"):
        said = teacher.logits("ljspeech", "whisper", len(rows)).argmax(1).tolist()
        rows = [text for text, label in zip(rows, said, strict=True) if LABELS[label] == "neutral"]
    rng = random.Random(seed)
    picked = []
    for text in rng.sample(rows, min(count, len(rows))):
        words = text.split()
        start = 0 if rng.random() < 0.5 else rng.randrange(max(1, len(words) - 2))
        picked.append(" ".join(words[start : start + rng.randint(3, MOST_WORDS)]))
    return picked + list(STATEMENTS.values()) * max(1, count // 20)


def extract(config: TextStage, data: Path, text_stage: Path, out: Path) -> Path:
    """T1 of MELD's train and dev in the four writings, and of the neutral and the everyday sentences in three."""
    encoder, tokenizer = load_encoder(text_stage)
    confusions = read_confusions()
    teacher = SoftLabels.shipped() if config.soft_share else None
    arrays: dict[str, Any] = {}

    def read(texts: list[str], write: Callable[[str], str]) -> tuple[np.ndarray, np.ndarray]:
        t1, logits = predict(encoder, tokenizer, [Reading(write(text)) for text in texts])
        return t1.numpy(), logits.numpy()

    for split in SPLITS:
        dialogues = read_meld(data / f"meld/{split}_sent_emo.csv")
        rows: list[TextRow] = [row for dialogue in dialogues for row in dialogue]
        for writing in WRITINGS:
            write = writer(writing, confusions, random.Random(config.seed))
            arrays[f"{split}_{writing}"], arrays[f"{split}_{writing}_logits"] = read([r.text for r in rows], write)
        arrays[f"{split}_labels"] = np.array([r.label for r in rows])
        arrays[f"{split}_speakers"] = np.array([r.speaker or "" for r in rows])
        arrays[f"{split}_lengths"] = np.array([len(d) for d in dialogues])
        if split == "train" and teacher is not None and teacher.labels_in_context("meld"):
            arrays["train_soft"] = teacher.in_context("meld", len(rows))
    sentences = neutral_sentences(data, NEUTRAL, config.seed, teacher)
    # RAVDESS's two are heard as they were said, so that runs compare.
    own = [s.lower().startswith(RAVDESS_STATEMENTS) for s in sentences]
    others = [s for s, ravdess in zip(sentences, own, strict=True) if not ravdess]
    parts = [
        read(sentences, writer("whisper", confusions, random.Random(config.seed)))[0],
        read(sentences, plain)[0],
        # Read speech was called joyful or angry for words that nobody had said (trainer/LOG.md).
        read(others, writer("misheard", confusions, random.Random(config.seed)))[0],
    ]
    arrays["neutral"] = np.concatenate(parts)
    said = everyday_sentences()
    three: list[Writing] = ["whisper", "plain", "misheard"]
    arrays["everyday"] = np.concatenate(
        [read(said, writer(writing, confusions, random.Random(config.seed)))[0] for writing in three]
    )
    arrays["neutral_is_ravdess"] = np.array([*own, *own, *[False] * len(others)])
    out.mkdir(parents=True, exist_ok=True)
    path = out / "text.npz"
    save_arrays(arrays, path)
    return path
