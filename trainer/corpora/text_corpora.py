"""The text corpora as Stage I text takes them: single rows with a distribution over the seven labels.

MELD: Poria et al. 2019. GoEmotions: Demszky et al. 2020, mapped to Ekman's six + neutral. EmoryNLP: Zahiri & Choi 2018.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from livemerc.emotions import LABELS
from trainer.corpora.emorynlp import COUNTERPARTS, parse_emorynlp
from trainer.corpora.goemotions import parse_goemotions
from trainer.corpora.meld import parse_meld


@dataclass(frozen=True, slots=True)
class TextRow:
    """One labelled utterance. `target`: (7,) float32 over `emotions.LABELS`, summing to 1; several labels share it."""

    dialogue_id: str
    utterance_id: str
    speaker: str | None
    text: str
    target: np.ndarray

    @property
    def label(self) -> int:
        return int(self.target.argmax())


def _one_hot(label: str) -> np.ndarray:
    return np.eye(len(LABELS), dtype=np.float32)[LABELS.index(label)]


def read_meld(path: Path) -> list[list[TextRow]]:
    """Dialogues of a MELD `*_sent_emo.csv` in their order, see `meld.parse_meld`. Raises `InputError`."""
    dialogues, _ = parse_meld(path)
    return [
        [TextRow(u.dialogue_id, u.utterance_id, u.speaker, u.text, _one_hot(u.emotion or "")) for u in dialogue]
        for dialogue in dialogues
    ]


def read_goemotions(folder: Path, split: str) -> list[TextRow]:
    """Comments of `ekman_{split}.tsv`; several labels share the probability equally. Raises `InputError`."""
    rows = []
    for comment in parse_goemotions(folder, split):
        target = sum((_one_hot(label) for label in comment.labels), np.zeros(len(LABELS), np.float32))
        rows.append(TextRow("goemotions", comment.comment_id, None, comment.text, target / target.sum()))
    return rows


def read_emorynlp(path: Path) -> list[TextRow]:
    """Utterances whose label has a counterpart among the seven (Peaceful and Powerful have none and are left out)."""
    return [
        TextRow(f"emorynlp-{u.dialogue_id}", u.utterance_id, u.speaker, u.text, _one_hot(COUNTERPARTS[u.emotion]))
        for scene in parse_emorynlp(path)
        for u in scene
        if u.emotion in COUNTERPARTS
    ]


def everyday_sentences() -> list[str]:
    """Short sentences of everyday life that say no emotion, as actors are given them; written for this project."""
    return Path(__file__).with_name("everyday.txt").read_text(encoding="utf-8").splitlines()
