"""Temperatures fitted on one half of the dialogues and measured on the other."""

from __future__ import annotations

import numpy as np
import pytest

from livemerc.emotions import LABELS
from livemerc.errors import InputError
from trainer.evaluation import calibration_halves as halves
from trainer.evaluation.calibration_halves import calibration_halves
from trainer.evaluation.evaluate import Judgement
from trainer.loop.metrics import expected_calibration_error


def judgement(dialogues: int, length: int, sharpen: float, seed: int = 0, speech: float | None = None) -> Judgement:
    """A calibrated model whose logits were multiplied by `sharpen`; with `speech`, every second row has speech alone
    and its fused logits were multiplied by that instead."""
    rng = np.random.default_rng(seed)
    n = dialogues * length
    logits = 1.5 * rng.standard_normal((n, 7))
    calibrated = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    truth = np.minimum((rng.random((n, 1)) > calibrated.cumsum(1)).sum(1), 6)
    has_text = np.ones(n, bool) if speech is None else np.arange(n) % 2 == 0
    factor = np.where(has_text, sharpen, 1.0 if speech is None else speech)[:, None]
    p = calibrated**factor / (calibrated**factor).sum(1, keepdims=True)
    return Judgement(
        list(LABELS), truth, np.repeat(np.arange(dialogues), length), has_text, ~has_text, None, None, p
    )  # fmt: skip


def test_a_wrong_temperature_is_found_and_mended_on_the_other_half() -> None:
    found = calibration_halves(judgement(60, 20, sharpen=2.0), seed=0)["fused"]
    assert found["temperature"] == pytest.approx(2.0, rel=0.05)
    assert found["ece_shipped"] > 0.15
    assert found["ece"] < 1.6 * found["ece_if_calibrated"]
    assert found["nll"] < found["nll_shipped"] - 0.1
    assert found["ece_whole"] < found["ece"]  # twice the rows: less of it is chance


def test_each_condition_has_its_own_temperature() -> None:
    one = calibration_halves(judgement(60, 20, sharpen=2.0, speech=0.5), seed=0)["fused"]
    assert one["temperature"] == pytest.approx((2.0 + 0.5) / 2, rel=0.07)
    assert one["ece"] < 1.6 * one["ece_if_calibrated"]


def test_halves_are_of_dialogues_and_the_measured_rows_never_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    j = judgement(9, 30, sharpen=1.0)
    fitted: list[np.ndarray] = []
    rescaled = halves._rescaled

    def spy(
        p: np.ndarray, truth: np.ndarray, condition: np.ndarray, fit: np.ndarray, measured: np.ndarray
    ) -> np.ndarray:
        assert not (fit & measured).any()
        assert (fit | measured).all()
        assert not set(j.dialogue[fit]) & set(j.dialogue[measured])
        assert len(set(j.dialogue[fit])) in (4, 5)
        fitted.append(fit)
        return rescaled(p, truth, condition, fit, measured)

    monkeypatch.setattr(halves, "_rescaled", spy)
    calibration_halves(j, seed=0, splits=4)
    assert len(fitted) == 8  # both ways
    assert len({f.tobytes() for f in fitted}) == 8


def test_the_figures_without_a_fit_are_those_of_the_halves() -> None:
    j = judgement(2, 15, sharpen=1.5)  # each half has fewer rows than a fit needs: nothing changes
    found = calibration_halves(j, seed=0, splits=3)["fused"]
    first = j.dialogue == 0
    mean = np.mean([expected_calibration_error(j.fused[side], j.truth[side]) for side in (first, ~first)])
    assert found["ece"] == found["ece_shipped"] == pytest.approx(mean)
    assert found["nll"] == found["nll_shipped"]
    assert found["temperature"] == 1.0
    assert found["ece_whole"] == pytest.approx(expected_calibration_error(j.fused, j.truth))


def test_the_seed_decides_the_splits() -> None:
    j = judgement(20, 10, sharpen=1.3)
    assert calibration_halves(j, 0) == calibration_halves(j, 0)
    assert calibration_halves(j, 0) != calibration_halves(j, 1)


def test_one_dialogue_cannot_be_halved() -> None:
    with pytest.raises(InputError, match="two or more"):
        calibration_halves(judgement(1, 50, 1.0), 0)
