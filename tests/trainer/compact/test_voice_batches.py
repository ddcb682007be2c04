"""Draws of voices: corpora and classes alike, baselines of the speaker's other utterances, the same for a seed."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch
from helpers.paths import COMPACT
from helpers.trainer.small_voices import small_stage, voice_features

from livemerc.emotions import LABELS
from livemerc.errors import ConfigError
from livemerc.pipeline.baselines import KEPT
from trainer.compact.config import VoiceStage
from trainer.compact.voice_batches import NEUTRAL, Drawing, Voices, draw_weights
from trainer.compact.voice_features import VoiceFeatures
from trainer.compact.voice_training import standardised_head

NONE, MOSTLY_NEUTRAL, RANDOM, ALL_NEUTRAL = np.eye(4).tolist()


@pytest.fixture(scope="module")
def features() -> VoiceFeatures:
    parts = [voice_features("ravdess", 7, 4, 12), voice_features("nemo", 6, 3), voice_features("readers", 1, 5, 1)]
    return VoiceFeatures.joined(parts)


def drawing(features: VoiceFeatures, **changes: object) -> Drawing:
    stage = small_stage(**changes)
    head = standardised_head(features, stage, 0)
    return Drawing(Voices(features, head), head, stage)


def share_of(features: VoiceFeatures, stage: VoiceStage, corpus: str, label: int | None = None) -> float:
    weights = draw_weights(features.clips, stage)
    rows = [c.corpus == corpus and label in (None, c.label) for c in features.clips]
    return float(weights[rows].sum())


def test_corpora_then_classes_are_drawn_alike(features: VoiceFeatures) -> None:
    stage = small_stage(neutral_share=0.1)
    assert share_of(features, stage, "readers") == pytest.approx(0.1)
    for corpus, classes in (("ravdess", 7), ("nemo", 6)):
        for label in range(classes):
            assert share_of(features, stage, corpus, label) == pytest.approx(0.45 / classes)
    assert share_of(features, small_stage(neutral_share=0.0), "readers") == 0.0


def test_read_speech_alone_teaches_nothing() -> None:
    with pytest.raises(ConfigError, match="none of them is acted"):
        draw_weights(voice_features("readers", 1, 5).clips, small_stage())


@pytest.mark.parametrize("mixture", [NONE, MOSTLY_NEUTRAL, RANDOM, ALL_NEUTRAL])
def test_a_baseline_is_of_other_utterances_of_the_speaker(features: VoiceFeatures, mixture: list[float]) -> None:
    drawn = drawing(features, baseline_mixture=mixture)
    voices, rng, counts, neutral = drawn.voices, np.random.default_rng(0), set(), []
    for _ in range(200):
        at = int(rng.integers(len(voices)))
        earlier = drawn.earlier(at, rng)
        assert at not in earlier
        assert len(earlier) <= KEPT
        assert set(voices.speaker[earlier]) <= {voices.speaker[at]}
        if voices.corpus[at] == "ravdess" and len(earlier):
            counts.add(len(earlier))
            neutral.append(float((voices.label[earlier] == NEUTRAL).mean()))
    if mixture == NONE:
        assert not counts
        return
    assert min(counts) <= 3
    assert max(counts) >= 30, "also where there are fewer other clips"
    assert np.mean(neutral) == pytest.approx({1: 0.8, 2: 1 / 7, 3: 1.0}[mixture.index(1.0)], abs=0.1)


def test_a_clip_of_one_who_says_nothing_else_is_drawn_cold(features: VoiceFeatures) -> None:
    drawn = drawing(features, baseline_mixture=RANDOM)
    reader = int(np.flatnonzero(drawn.voices.corpus == "readers")[0])
    assert not len(drawn.earlier(reader, np.random.default_rng(0)))


def test_batches_are_finite_and_the_same_for_the_same_seed(features: VoiceFeatures) -> None:
    drawn = drawing(features)
    first, second = (list(drawn.batches(np.random.default_rng(5))) for _ in range(2))
    assert len(first) == drawn.steps
    for one, other in zip(first, second, strict=True):
        for field in ("z", "baseline", "label", "group"):
            assert torch.equal(getattr(one, field), getattr(other, field))
        assert torch.isfinite(one.z).all()
        assert torch.isfinite(one.baseline).all()
        assert (one.z.shape, one.baseline.shape) == ((16, 24), (16, 26))
    other_seed = next(iter(drawn.batches(np.random.default_rng(6))))
    assert not torch.equal(other_seed.z, first[0].z)


def test_draws_without_a_baseline_have_everybodys_mean(features: VoiceFeatures) -> None:
    for batch in drawing(features, baseline_mixture=NONE).batches(np.random.default_rng(0)):
        assert not batch.baseline.any()


def test_standardised_statistics_have_everybodys_mean_at_nought(features: VoiceFeatures) -> None:
    stage = small_stage(neutral_share=0.2)
    voices = Voices(features, standardised_head(features, stage, 0))
    weights = draw_weights(features.clips, stage)[:, None]
    z = voices.z[0].double().numpy()
    np.testing.assert_allclose((weights * z).sum(0), 0.0, atol=0.05)
    assert 0.7 < float(np.sqrt((weights * z**2).sum(0)).mean()) < 1.1


def test_speakers_of_two_corpora_are_two_people(features: VoiceFeatures) -> None:
    voices = Voices(features, standardised_head(features, small_stage(), 0))
    assert len(set(voices.speaker.tolist())) == 4 + 3 + 5
    assert LABELS[NEUTRAL] == "neutral"


def test_the_recipe_that_ships_trains_on_nothing_that_states_no_licence() -> None:
    from trainer.compact.config import read_stage
    from trainer.compact.voice import training_corpora

    stage = read_stage(COMPACT, "voice", VoiceStage)
    assert "ased" not in training_corpora(stage)
    assert sum(stage.baseline_mixture) == pytest.approx(1.0)
    with pytest.raises(ConfigError, match=r"\[voice\] corpora: ased states no licence"):
        training_corpora(msgspec.structs.replace(stage, corpora=["ravdess", "ased"]))
    with pytest.raises(ConfigError, match=r"\[voice\] corpora: emogator is no acted speech"):
        training_corpora(msgspec.structs.replace(stage, corpora=["ravdess", "emogator"]))
