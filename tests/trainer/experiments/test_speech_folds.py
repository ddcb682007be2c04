"""Folds: each speaker is held out once, all others of both corpora train, and a fold without clips is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from livemerc.errors import InputError
from trainer.compact.log_mels import Features
from trainer.corpora.acted import FOLDS
from trainer.corpora.clips import Clip
from trainer.experiments.speech_folds import Acted, speaker_folds


def corpora() -> dict[str, Features]:
    """Two clips of each of RAVDESS's 24 and nEMO's nine speakers."""
    made = {}
    for corpus, groups in FOLDS.items():
        clips = [Clip(Path("x"), corpus, f"{s}-{k}", s, False, k) for group in groups for s in group for k in (0, 1)]
        log_mel = [np.random.default_rng(k).normal(-8.0, 1.0, (80, 64)).astype(np.float16) for k in range(len(clips))]
        made[corpus] = Features(clips, [log_mel, log_mel[:]])
    return made


@pytest.mark.parametrize(("corpus", "count", "held"), [("ravdess", 6, 4), ("nemo", 3, 3)])
def test_folds_hold_out_every_speaker_once_and_train_on_all_others(corpus: Acted, count: int, held: int) -> None:
    everything, tested = corpora(), []
    folds = speaker_folds(corpus, everything)
    assert len(folds) == count
    for train, test in folds.values():
        out = {(c.corpus, c.speaker) for c in test.clips}
        kept = {(c.corpus, c.speaker) for c in train.clips}
        assert len(out) == held
        assert {c for c, _ in out} == {corpus}
        assert not out & kept
        assert out | kept == {(c.corpus, c.speaker) for features in everything.values() for c in features.clips}
        tested += [c.speaker for c in test.clips]
    assert sorted(tested) == sorted(c.speaker for c in everything[corpus].clips)


def test_a_fold_without_clips_is_named() -> None:
    everything = corpora()
    kept = [i for i, c in enumerate(everything["nemo"].clips) if c.speaker not in FOLDS["nemo"][1]]
    some = everything["nemo"].where(kept)
    with pytest.raises(InputError, match="KS0, MK0, MP0"):
        speaker_folds("nemo", {**everything, "nemo": some})
