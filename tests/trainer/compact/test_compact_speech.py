"""Speech training: resumed = uninterrupted, balanced draws, evaluation free of order, a strict configuration."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from helpers.paths import COMPACT
from helpers.trainer.small_compact import acted_features as features

from livemerc.errors import ConfigError
from livemerc.model.speech import SpeechEncoder
from trainer.compact.config import SpeechStage, read_stage
from trainer.compact.log_mels import Features
from trainer.compact.speech import encode, train_encoder
from trainer.compact.speech_batches import draw_weights, spec_augment, training_batches, warp_matrices
from trainer.corpora.clips import Clip
from trainer.loop import fit


@pytest.fixture
def config() -> SpeechStage:
    compact = read_stage(COMPACT, "speech", SpeechStage)
    return msgspec.structs.replace(compact, channels=16, embedding=8, clips_per_epoch=48, batch=16, versions=1)


def interrupted_at(number: int, step: Callable[..., float]) -> Callable[..., float]:
    """`step`, but its call of this number is Ctrl-C."""
    calls = itertools.count(1)

    def run(*arguments: Any) -> float:
        if next(calls) == number:
            raise KeyboardInterrupt
        return step(*arguments)

    return run


def test_resumed_training_equals_uninterrupted_training(
    tmp_path: Path, config: SpeechStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = features()
    whole = train_encoder(data, config, 3, tmp_path / "whole")
    with monkeypatch.context() as patched:
        patched.setattr(fit, "_step", interrupted_at(5, fit._step))
        with pytest.raises(KeyboardInterrupt):
            train_encoder(data, config, 3, tmp_path / "cut")
    resumed = train_encoder(data, config, 3, tmp_path / "cut")
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    assert len((tmp_path / "cut/speech.jsonl").read_text().splitlines()) == 3


def test_a_run_begun_with_another_configuration_is_not_continued(tmp_path: Path, config: SpeechStage) -> None:
    train_encoder(features(), config, 1, tmp_path)
    with pytest.raises(ConfigError, match=r"was begun with lr = 0\.002, now it is 0\.0001"):
        train_encoder(features(), msgspec.structs.replace(config, lr=1e-4), 1, tmp_path)
    with pytest.raises(ConfigError, match="was begun with total_epochs = 1, now it is 2"):
        train_encoder(features(), config, 2, tmp_path)


def test_training_lowers_the_loss_on_learnable_classes(tmp_path: Path, config: SpeechStage) -> None:
    easy = msgspec.structs.replace(config, clips_per_epoch=320, warp=0.0, shift_bins=0.0, mixup=0.0)
    lines = []
    train_encoder(features(), easy, 4, tmp_path)
    lines = [msgspec.json.decode(line) for line in (tmp_path / "speech.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < lines[0]["loss"] - 0.1


def test_draws_balance_corpora_then_classes() -> None:
    data = features()
    weights = draw_weights(data, 0.0)
    corpora = np.array([c.corpus for c in data.clips])
    labels = np.array([c.label for c in data.clips])
    for corpus, classes in (("one", 7), ("two", 6)):
        for label in range(classes):
            assert weights[(corpora == corpus) & (labels == label)].sum() == pytest.approx(0.5 / classes)


def test_read_speech_is_drawn_as_often_as_asked() -> None:
    read = Features([Clip(Path("x"), "read", "r", "r", False, 0)], [[np.zeros((50, 64), np.float16)]] * 2)
    data = features() + read
    assert draw_weights(data, 0.05)[-1] == pytest.approx(0.05)
    assert draw_weights(data, 0.0)[-1] == 0.0


def test_batches_are_finite_and_the_same_for_the_same_seed(config: SpeechStage) -> None:
    first, second = (list(training_batches(features(), config, np.random.default_rng(5))) for _ in range(2))
    assert len(first) == 3
    for (mel, frames, labels), (mel2, frames2, labels2) in zip(first, second, strict=True):
        assert torch.isfinite(mel).all()
        assert mel.shape == (16, int(frames.max()), 64)
        assert torch.equal(mel, mel2)
        assert torch.equal(frames, frames2)
        assert torch.equal(labels, labels2)


def test_warping_keeps_a_constant_spectrum(config: SpeechStage) -> None:
    warped = np.ones((1, 1, 64), np.float32) @ warp_matrices(8, 64, np.random.default_rng(0), config)
    np.testing.assert_allclose(warped, 1.0, atol=1e-4)


def test_spec_augment_masks_part_of_both_views_alike(config: SpeechStage) -> None:
    masked = spec_augment(torch.ones(8, 2, 100, 64), np.random.default_rng(0), config)
    assert torch.equal(masked[:, 0], masked[:, 1])
    assert 0.02 < float((masked == 0).float().mean()) < 0.8


def test_encoding_a_corpus_does_not_depend_on_its_order(config: SpeechStage) -> None:
    torch.manual_seed(0)
    encoder, data = SpeechEncoder({"channels": 16}), features()
    order = np.random.default_rng(1).permutation(len(data)).tolist()
    s1, _ = encode(encoder, data)
    shuffled, _ = encode(encoder, data.where(order))
    np.testing.assert_allclose(shuffled, s1[order], atol=1e-5)


def test_unknown_key_in_the_section_is_named(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(COMPACT.read_text().replace("[speech]", "[speech]\nmixupp = 0.1\n", 1))
    with pytest.raises(ConfigError, match="mixupp"):
        read_stage(path, "speech", SpeechStage)
