"""Read sentences among the dialogues of Stage II: neutral, of LJSpeech alone, and softly labelled where others are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.trainer.small_compact import write_text_features

from trainer.compact.conversation import read_aloud
from trainer.compact.text_features import TextFeatures


@pytest.fixture
def features(tmp_path: Path) -> TextFeatures:
    return TextFeatures(write_text_features(tmp_path / "text.npz"))


def test_one_to_four_sentences_that_are_neutral_and_none_of_ravdess(features: TextFeatures) -> None:
    rng = np.random.default_rng(0)
    rows = {row.tobytes() for row in features.arrays["neutral"][:9]}
    drawn = [read_aloud(features, 7, rng) for _ in range(100)]
    assert {len(d) for d in drawn} == {1, 2, 3, 4}
    assert {row.tobytes() for d in drawn for row in d.t1} == rows
    assert all(d.has_text.all() and not d.has_speech.any() and (d.labels == 0).all() for d in drawn)


def test_beside_soft_labels_they_have_soft_ones(features: TextFeatures) -> None:
    soft = read_aloud(features, 7, np.random.default_rng(0)).soft
    assert soft is not None
    assert (soft[:, 0] == 1).all()
    del features.arrays["train_soft"]
    assert read_aloud(features, 7, np.random.default_rng(0)).soft is None
