"""Readers of the text corpora: MELD (dialogues), GoEmotions (single comments), EmoryNLP (scenes).

MELD: Poria et al. 2019. GoEmotions: Demszky et al. 2020, mapped to Ekman's six + neutral. EmoryNLP: Zahiri & Choi 2018.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from livemerc.emotions import LABELS
from livemerc.errors import InputError
from trainer.corpora.meld import parse_meld
from trainer.corpora.rows import clean_text


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
    target = np.zeros(len(LABELS), np.float32)
    target[LABELS.index(label)] = 1.0
    return target


def read_meld(path: Path) -> list[list[TextRow]]:
    """Dialogues of a MELD `*_sent_emo.csv` in their order, see `meld.parse_meld`. Raises `InputError`."""
    dialogues, _ = parse_meld(path)
    return [
        [TextRow(u.dialogue_id, u.utterance_id, u.speaker, u.text, _one_hot(u.emotion or "")) for u in dialogue]
        for dialogue in dialogues
    ]


def read_goemotions(folder: Path, split: str) -> list[TextRow]:
    """Comments of `ekman_{split}.tsv`; several labels share the probability equally."""
    names = _text(folder / "ekman_labels.txt").split()
    rows = []
    path = folder / f"ekman_{split}.tsv"
    for number, line in enumerate(_text(path).splitlines(), start=1):
        try:
            text, indices, comment = line.rsplit("\t", 2)
            target = sum((_one_hot(names[int(i)]) for i in indices.split(",")), np.zeros(len(LABELS), np.float32))
        except (ValueError, IndexError) as error:
            raise InputError(f"{path}, line {number}: not a GoEmotions row ({error}).") from error
        rows.append(TextRow("goemotions", comment, None, " ".join(text.split()), target / target.sum()))
    return rows


_EMORY = {"Joyful": "joy", "Mad": "anger", "Neutral": "neutral", "Sad": "sadness", "Scared": "fear"}


def read_emorynlp(path: Path) -> list[TextRow]:
    """Utterances whose label has a counterpart among the seven (Peaceful and Powerful have none and are left out)."""
    rows = []
    for number, row in _rows(path):
        try:
            label = row["Emotion"].strip()
            if label not in _EMORY:
                continue
            rows.append(
                TextRow(f"emorynlp-{row['Season']}-{row['Episode']}-{row['Scene_ID']}", row["Utterance_ID"],
                        row["Speaker"], clean_text(row["Utterance"]), _one_hot(_EMORY[label]))
            )  # fmt: skip
        except (KeyError, AttributeError) as error:
            raise InputError(f"{path}, line {number}: not an EmoryNLP row ({error}).") from error
    return rows


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}).") from error


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            return [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({error}).") from error
