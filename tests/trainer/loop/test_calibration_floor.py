"""The reliability diagram's numbers, and what ECE a perfectly calibrated model shows on few rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, kstest

from trainer.loop.metrics import calibration_floor, expected_calibration_error, label_metrics, per_class, reliability


def drawn(n: int, seed: int, sharpness: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """(n, 5) probabilities and (n,) labels drawn from them: calibrated by construction."""
    rng = np.random.default_rng(seed)
    logits = sharpness * rng.standard_normal((n, 5))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return p, (rng.random((n, 1)) > p.cumsum(1)).sum(1)


def test_reliability_by_hand() -> None:
    p = np.array([[0.62, 0.38], [0.64, 0.36], [0.66, 0.34], [0.95, 0.05], [0.03, 0.97]])
    found = reliability(p, np.array([0, 1, 0, 0, 0]))
    # (9/15, 10/15] holds three, two of them right; (14/15, 1] holds two, one right.
    assert found.count.tolist() == [0] * 9 + [3] + [0] * 4 + [2]
    assert found.confidence[9] == pytest.approx(0.64)
    assert found.accuracy[9] == pytest.approx(2 / 3)
    assert (found.confidence[14], found.accuracy[14]) == (pytest.approx(0.96), 0.5)
    assert found.ece == pytest.approx((3 * (2 / 3 - 0.64) + 2 * 0.46) / 5)


@pytest.mark.parametrize(("n", "p"), [(20, 0.7), (50, 0.7), (200, 0.55)])
def test_the_floor_of_one_bin_is_the_mean_deviation_of_a_binomial(n: int, p: float) -> None:
    probabilities = np.tile([p, 1 - p], (n, 1))
    floor = calibration_floor(probabilities, 0.0, simulations=20_000)
    k = np.arange(n + 1)
    exact = float((binom.pmf(k, n, p) * np.abs(k / n - p)).sum())
    assert floor.mean == pytest.approx(exact, rel=0.03)
    inside = binom.pmf(k, n, p)[np.abs(k / n - p) <= floor.p95 + 1e-9].sum()
    assert 0.95 <= inside < 1.0


def test_many_rows_need_less_and_few_rows_more() -> None:
    found = [calibration_floor(drawn(n, 0)[0], 0.0).mean for n in (60, 555, 5000)]
    assert found[0] > 2 * found[1] > 4 * found[2]
    assert found[2] < 0.02


def test_the_p_value_of_a_calibrated_model_is_uniform_and_of_an_overconfident_one_small() -> None:
    p_values, sharp = [], []
    for seed in range(150):
        p, truth = drawn(300, seed)
        p_values.append(
            calibration_floor(p, expected_calibration_error(p, truth), seed + 1000, simulations=300).p_value
        )
        if seed < 20:
            q = p**2.5 / (p**2.5).sum(1, keepdims=True)
            ece = expected_calibration_error(q, truth)
            sharp.append(calibration_floor(q, ece, seed, simulations=300).p_value)
    assert kstest(p_values, "uniform").pvalue > 0.001
    assert max(sharp) < 0.01


def test_chunks_and_empty_bins_change_nothing() -> None:
    p = np.array([[0.7, 0.3]] * 3 + [[0.99, 0.01]] * 2)
    floor = calibration_floor(p, 0.0, simulations=5000)
    rng = np.random.default_rng(1)
    by_hand = [
        expected_calibration_error(p, (rng.random(5) >= p[:, 0]).astype(int)) for _ in range(5000)
    ]  # label 1 = the top label was wrong
    assert floor.mean == pytest.approx(np.mean(by_hand), abs=0.01)


def test_a_row_without_a_guess_is_wrong_and_blames_no_class() -> None:
    truth, guess = np.array([0, 0, 1, 1]), np.array([0, -1, 1, -1])
    m = label_metrics(guess, truth, 3)
    assert m["accuracy"] == 0.5
    assert m["uar"] == 0.5
    # precision 1, recall 1/2 for both
    assert m["weighted_f1"] == m["macro_f1"] == pytest.approx(2 / 3)
    assert per_class(guess, truth, ["a", "b", "c"])["a"] == {
        "precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2,
    }  # fmt: skip
    none = label_metrics(np.array([-1, -1]), np.array([0, 1]), 3)
    assert none == {"weighted_f1": 0.0, "macro_f1": 0.0, "uar": 0.0, "accuracy": 0.0}
