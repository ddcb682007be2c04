"""Training a head: resumed = uninterrupted, the options of its loss, several heads as one, and what it is judged by."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.trainer.small_voices import small_stage, voice_features

from livemerc.errors import ConfigError
from livemerc.model.voice_head import VoiceHead
from trainer.compact.voice_batches import Drawing, VoiceBatch, Voices
from trainer.compact.voice_features import VoiceFeatures
from trainer.compact.voice_protocol import (
    causal_baselines,
    cold_and_warm,
    figures,
    in_order,
    logits,
    neutral_in_a_row,
)
from trainer.compact.voice_training import VoiceLoss, averaged, standardised_head, train_head
from trainer.loop import fit


@pytest.fixture(scope="module")
def features() -> VoiceFeatures:
    parts = [voice_features("ravdess", 7, 4, 3), voice_features("nemo", 6, 3, 3), voice_features("readers", 1, 5, 1)]
    return VoiceFeatures.joined(parts)


def interrupted_at(number: int, step: Callable[..., float]) -> Callable[..., float]:
    """`step`, but its call of this number is Ctrl-C."""
    calls = itertools.count(1)

    def run(*arguments: Any) -> float:
        if next(calls) == number:
            raise KeyboardInterrupt
        return step(*arguments)

    return run


@pytest.mark.parametrize("options", [{}, {"mask_absent": False}])
def test_resumed_training_equals_uninterrupted_training(
    features: VoiceFeatures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    stage = small_stage(**options)
    whole = train_head(features, stage, 0, tmp_path / "whole")
    with monkeypatch.context() as patched:
        patched.setattr(fit, "_step", interrupted_at(5, fit._step))
        with pytest.raises(KeyboardInterrupt):
            train_head(features, stage, 0, tmp_path / "cut")
    resumed = train_head(features, stage, 0, tmp_path / "cut")
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    assert len((tmp_path / "cut/voice.jsonl").read_text().splitlines()) == 3


def test_a_run_begun_otherwise_is_not_continued(features: VoiceFeatures, tmp_path: Path) -> None:
    train_head(features, small_stage(epochs=1), 0, tmp_path)
    with pytest.raises(ConfigError, match="was begun with epochs = 1, now it is 2"):
        train_head(features, small_stage(epochs=2), 0, tmp_path)
    with pytest.raises(ConfigError, match="was begun with seed = 0, now it is 1"):
        train_head(features, small_stage(epochs=1), 1, tmp_path)
    fewer = features.where(lambda c: c.corpus != "nemo")
    with pytest.raises(ConfigError, match="was begun with"):
        train_head(fewer, small_stage(epochs=1), 0, tmp_path)
    train_head(features, small_stage(epochs=1, heads=5), 0, tmp_path)


def test_a_head_learns_and_a_baseline_helps_with_people_it_never_heard(features: VoiceFeatures, tmp_path: Path) -> None:
    stage = small_stage(epochs=10, draws_per_epoch=320)
    head = train_head(features, stage, 0, tmp_path)
    losses = [json.loads(line)["loss"] for line in (tmp_path / "voice.jsonl").read_text().splitlines()]
    assert losses[-1] < losses[0]
    unheard = Voices(voice_features("emovo", 6, 12, 4, seed=9), head)
    judged = cold_and_warm(head, unheard, 0)
    cold, warm = (figures(judged[state], unheard.label)["uar"] for state in ("cold", "warm"))
    assert cold > 1 / 6
    assert warm > cold + 0.1


def squares(head: VoiceHead) -> float:
    return sum(float(p.detach().square().sum()) for p in head.parameters())


def batch_of(drawing: Drawing, seed: int = 0) -> VoiceBatch:
    return next(iter(drawing.batches(np.random.default_rng(seed))))


def loss_of(features: VoiceFeatures, **changes: object) -> tuple[VoiceLoss, Drawing]:
    stage = small_stage(**{"draws_per_epoch": 256, **changes})
    head = standardised_head(features, stage, 0)
    drawing = Drawing(Voices(features, head), head, stage)
    return VoiceLoss(head, drawing, stage), drawing


def test_classes_that_a_corpus_lacks_are_no_mistake_there_where_asked(features: VoiceFeatures) -> None:
    module, drawing = loss_of(features, mask_absent=True, l2=0.0, label_smoothing=0.0, neutral_share=0.2, batch=64)
    batch = batch_of(drawing)
    of_nemo, of_readers = (batch.group == drawing.groups.index(name) for name in ("nemo", "readers"))
    with torch.no_grad():
        module.head.output.bias[6] = 50.0  # nEMO has no seventh class here; read speech has only the first
        loss = module.cross_entropy(module.head(batch.z, batch.baseline), batch)
    assert float(loss[of_nemo].max()) < 10
    assert float(loss[of_readers].min()) > 10, "somebody who reads is neutral among all seven"


def test_squared_weights_are_paid_for(features: VoiceFeatures, tmp_path: Path) -> None:
    sizes = [squares(train_head(features, small_stage(l2=l2), 0, tmp_path / str(l2))) for l2 in (0.0, 1.0)]
    assert sizes[1] < 0.5 * sizes[0]


def test_linear_heads_average_into_one_that_gives_their_mean(features: VoiceFeatures, tmp_path: Path) -> None:
    heads = [train_head(features, small_stage(), seed, tmp_path / str(seed)) for seed in (0, 1)]
    voices = Voices(features, heads[0])
    mean = (logits(heads[0], voices) + logits(heads[1], voices)) / 2
    np.testing.assert_allclose(logits(averaged(heads), voices), mean, atol=1e-4)
    assert averaged(heads[:1]) is heads[0]
    deep = [standardised_head(features, small_stage(hidden=4), seed) for seed in (0, 1)]
    with pytest.raises(ConfigError, match="only linear heads average into one"):
        averaged(deep)


def test_warm_is_of_earlier_clips_of_the_speaker_alone(features: VoiceFeatures) -> None:
    stage = small_stage()
    head = standardised_head(features, stage, 0)
    voices = Voices(features, head)
    baselines, count = causal_baselines(voices, lambda z: z.sum(0) if len(z) else z.new_zeros(24), seed=3)
    for order in in_order(voices, 3):
        assert len(set(voices.speaker[order])) == 1
        total = np.zeros(24, np.float32)
        for place, at in enumerate(order[:32]):
            assert count[at] == place
            np.testing.assert_allclose(baselines[at], total, atol=0.05)
            total += voices.z[0][at].float().numpy()
    assert sorted(np.concatenate(in_order(voices, 3)).tolist()) == list(range(len(voices)))
    assert not np.array_equal(in_order(voices, 3)[0], in_order(voices, 4)[0])


def test_read_speech_in_a_row_never_hears_itself(features: VoiceFeatures) -> None:
    several = voice_features("librispeech", 1, 3, 4)
    head = standardised_head(features, small_stage(), 0)
    voices = Voices(several, head)
    heard: list[torch.Tensor] = []

    def baseline(earlier: torch.Tensor) -> torch.Tensor:
        heard.append(earlier)
        return torch.zeros(24)

    def judge(z: torch.Tensor, _: torch.Tensor | None) -> torch.Tensor:
        assert not any(torch.equal(z[0], row) for row in heard[-1])
        return torch.tensor([[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]])

    assert neutral_in_a_row(judge, baseline, voices, 1, 0) == {
        "neutral": 1.0,
        "probability": pytest.approx(0.312, abs=0.001),
        "n": 12,
    }
    assert {len(e) for e in heard} == {0}
    heard.clear()
    assert neutral_in_a_row(judge, baseline, voices, 20, 0)["n"] == 12
    assert {len(e) for e in heard} == {19}
    once = Voices(voice_features("readers", 1, 5, 1), head)
    assert neutral_in_a_row(judge, baseline, once, 20, 0) == {"n": 0}


def test_uar_is_of_seven_answers_and_of_those_that_a_corpus_has() -> None:
    truth = np.array([0, 0, 1, 1])
    values = np.full((4, 7), -1.0, np.float32)
    values[[0, 1, 2, 3], [0, 0, 1, 5]] = 3.0
    values[3, 1] = 2.0
    found = figures(values, truth)
    assert found["uar"] == pytest.approx(0.75)
    assert found["uar_present"] == pytest.approx(1.0)
    assert found["recall"] == {"neutral": 1.0, "joy": 0.5}
