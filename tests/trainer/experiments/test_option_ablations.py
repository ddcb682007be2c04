"""The sentiments of MELD find their utterances in the cached features, or nothing is measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.trainer import releases

from livemerc.emotions import LABELS
from livemerc.errors import InputError
from trainer.corpora.corpus import SENTIMENTS
from trainer.corpora.meld import parse_meld
from trainer.experiments.option_ablations import with_sentiments
from trainer.loop.windows import DialogueFeatures


def as_features(csv: Path) -> list[DialogueFeatures]:
    out = []
    for dialogue in parse_meld(csv)[0]:
        n, there = len(dialogue), np.ones(len(dialogue), bool)
        labels = np.array([LABELS.index(u.emotion or "") for u in dialogue])
        out.append(DialogueFeatures(np.zeros((n, 4), np.float32), np.zeros((n, 7), np.float32), there, ~there, labels))
    return out


def test_each_utterance_gets_its_own_sentiment(tmp_path: Path) -> None:
    csv = releases.meld_table(tmp_path / "train_sent_emo.csv", releases.MELD["train"])
    found = with_sentiments(as_features(csv), csv)
    told = {(d, u): s for d, u, _, _, _, s in releases.MELD["train"]}
    read = [[told[int(u.dialogue_id), int(u.utterance_id)] for u in dialogue] for dialogue in parse_meld(csv)[0]]
    assert [[SENTIMENTS[i] for i in f.sentiments] for f in found if f.sentiments is not None] == read


def test_features_of_other_rows_are_refused(tmp_path: Path) -> None:
    csv = releases.meld_table(tmp_path / "train_sent_emo.csv", releases.MELD["train"])
    features = as_features(csv)
    features[0].labels[0] = (features[0].labels[0] + 1) % len(LABELS)
    with pytest.raises(InputError, match="not those of the features"):
        with_sentiments(features, csv)
