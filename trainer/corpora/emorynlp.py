"""EmoryNLP (Zahiri & Choi 2018): scenes of a TV series with seven labels of its own."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Literal

from livemerc.emotions import LABELS
from trainer.corpora.corpus import SPLITS, Corpus, LabelledUtterance
from trainer.corpora.rows import clean_text, duplicate, no_such_folder, one_of, read_rows, whole_number

COLUMNS = ("Utterance", "Speaker", "Emotion", "Scene_ID", "Utterance_ID", "Season", "Episode")
OWN_LABELS = ("Neutral", "Joyful", "Peaceful", "Powerful", "Mad", "Scared", "Sad")
COUNTERPARTS = {"Joyful": "joy", "Mad": "anger", "Neutral": "neutral", "Sad": "sadness", "Scared": "fear"}
"""Peaceful and Powerful have none among the seven of `emotions.LABELS`."""
_MEND = "use the official CSV (emorynlp_train_final.csv)"


def parse_emorynlp(path: Path) -> list[list[LabelledUtterance]]:
    """Scenes of one `emorynlp_*_final.csv`, their own labels; utterances by number. Raises `InputError` with the line.

    A scene's numbers have gaps where the release left lines out. Several speakers of a line are joined by " & ".
    """
    scenes: dict[str, dict[int, LabelledUtterance]] = {}
    for line, row in read_rows(path, COLUMNS, _MEND):
        where = f"{path}, line {line}"
        scene = "s{:02d}e{:02d}c{:02d}".format(
            *(whole_number(row[column], where, column) for column in ("Season", "Episode", "Scene_ID"))
        )
        number = whole_number(row["Utterance_ID"], where, "Utterance_ID")
        turns = scenes.setdefault(scene, {})
        if number in turns:
            raise duplicate(f"utterance {number} of {scene}", where, turns[number].where)
        emotion = one_of(row["Emotion"].strip(), OWN_LABELS, where, "Emotion")
        # A Python list as text: ['Monica Geller', "Mr. O'Neill"]
        names = [single or double for single, double in re.findall(r"'([^']*)'|\"([^\"]*)\"", row["Speaker"])]
        speaker = " & ".join(clean_text(name) for name in names) or clean_text(row["Speaker"]) or None
        turns[number] = LabelledUtterance(
            scene, f"{scene}-{number}", speaker, clean_text(row["Utterance"]), None, 0.0, None, emotion, None, where
        )
    return [[turns[n] for n in sorted(turns)] for turns in scenes.values()]


def read_emorynlp_corpus(path: Path, *, labels: Literal["own", "ours"] = "own") -> Corpus:
    """EmoryNLP as a corpus. `path`: the folder with `emorynlp_{train,dev,test}_final.csv`; any may be absent.

    `labels`: "own" seven, or "ours", where five have a counterpart; utterances of the other two (Peaceful, Powerful)
    then stay as context with `emotion` None. Raises `InputError`.
    """
    tables = {s: path / f"emorynlp_{s}_final.csv" for s in SPLITS if (path / f"emorynlp_{s}_final.csv").is_file()}
    if not tables:
        raise no_such_folder(path, "the folder with emorynlp_train_final.csv")
    splits = {split: parse_emorynlp(table) for split, table in tables.items()}
    if labels == "own":
        return Corpus("emorynlp", OWN_LABELS, splits, shares_speakers=True)
    mapped = {
        split: [[replace(u, emotion=COUNTERPARTS.get(u.emotion or "")) for u in scene] for scene in scenes]
        for split, scenes in splits.items()
    }
    silent = sum(u.emotion is None for scenes in mapped.values() for scene in scenes for u in scene)
    kept = tuple(label for label in LABELS if label in COUNTERPARTS.values())
    note = f"{silent} utterances (Peaceful, Powerful) have no counterpart and are context only"
    return Corpus("emorynlp", kept, mapped, note=note, shares_speakers=True)
