"""The figures of the evaluate contract against scikit-learn, plain counting and cases worked by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import sklearn.metrics as oracle
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from livemerc.emotions import LABELS
from trainer.loop.metrics import ECE_BINS, classification_metrics, expected_calibration_error


def random_case(n: int, classes: int, seed: int, sharpness: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """(n, classes) probabilities and (n,) truth, the truth likelier where the probability is high."""
    rng = np.random.default_rng(seed)
    logits = sharpness * rng.standard_normal((n, classes))
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    truth = np.array([rng.choice(classes, p=p) for p in probabilities])
    return probabilities, truth


def ece_by_counting(probabilities: np.ndarray, truth: np.ndarray, bins: int) -> float:
    """Guo et al. 2017, Eq. 3, one sample at a time: bin m holds confidences in ((m - 1) / M, m / M]."""
    held: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for row, label in zip(probabilities.tolist(), truth.tolist(), strict=True):
        confidence = max(row)
        correct = row.index(confidence) == label
        for m in range(bins):
            if confidence <= (m + 1) / bins or m == bins - 1:
                held[m].append((confidence, correct))
                break
    total = 0.0
    for inside in held:
        if inside:
            accuracy = sum(c for _, c in inside) / len(inside)
            confidence = sum(p for p, _ in inside) / len(inside)
            total += len(inside) / len(truth) * abs(accuracy - confidence)
    return total


def two_classes(confidences: list[float]) -> np.ndarray:
    """Rows whose first class has that probability."""
    return np.array([[c, 1 - c] for c in confidences])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("n", "classes"), [(1, 7), (13, 7), (400, 7), (400, 3)])
def test_f1_uar_accuracy_and_nll_are_those_of_scikit_learn(n: int, classes: int, seed: int) -> None:
    probabilities, truth = random_case(n, classes, seed)
    guess = probabilities.argmax(1)
    m = classification_metrics(probabilities, truth)
    assert m["accuracy"] == pytest.approx(oracle.accuracy_score(truth, guess))
    assert m["weighted_f1"] == pytest.approx(oracle.f1_score(truth, guess, average="weighted", zero_division=0))
    assert m["macro_f1"] == pytest.approx(oracle.f1_score(truth, guess, average="macro", zero_division=0))
    present = sorted(set(truth.tolist()))
    assert m["uar"] == pytest.approx(oracle.recall_score(truth, guess, labels=present, average="macro"))
    assert m["nll"] == pytest.approx(oracle.log_loss(truth, probabilities, labels=range(classes)))


def test_per_class_figures_are_those_of_scikit_learn_under_the_labels_names() -> None:
    probabilities, truth = random_case(300, 7, 0)
    guess = probabilities.argmax(1)
    per_class = classification_metrics(probabilities, truth, LABELS)["per_class"]
    assert list(per_class) == list(LABELS)
    expected = oracle.classification_report(
        truth, guess, labels=range(7), target_names=LABELS, output_dict=True, zero_division=0
    )
    for label in LABELS:
        assert per_class[label]["precision"] == pytest.approx(expected[label]["precision"])
        assert per_class[label]["recall"] == pytest.approx(expected[label]["recall"])
        assert per_class[label]["f1"] == pytest.approx(expected[label]["f1-score"])
        assert per_class[label]["support"] == expected[label]["support"] == (truth == LABELS.index(label)).sum()


def test_a_case_worked_by_hand() -> None:
    # Truth a a a b; guesses a a b b. Class c neither occurs nor is guessed.
    probabilities = np.array([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.3, 0.5, 0.2]])
    m = classification_metrics(probabilities, np.array([0, 0, 0, 1]), ["a", "b", "c"])
    f1_a, f1_b = 2 * 1.0 * (2 / 3) / (1 + 2 / 3), 2 * 0.5 * 1.0 / 1.5
    assert m["accuracy"] == pytest.approx(0.75)
    assert m["per_class"]["a"] == pytest.approx({"precision": 1.0, "recall": 2 / 3, "f1": f1_a, "support": 3})
    assert m["per_class"]["b"] == pytest.approx({"precision": 0.5, "recall": 1.0, "f1": f1_b, "support": 1})
    assert m["per_class"]["c"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}
    assert m["weighted_f1"] == pytest.approx((3 * f1_a + f1_b) / 4)
    assert m["macro_f1"] == pytest.approx((f1_a + f1_b) / 2)
    assert m["uar"] == pytest.approx((2 / 3 + 1) / 2)
    assert m["nll"] == pytest.approx(-(math.log(0.8) + math.log(0.6) + math.log(0.2) + math.log(0.5)) / 4)
    # Four bins with one sample each: |1 - .8|, |1 - .6|, |0 - .7|, |1 - .5|.
    assert m["ece"] == pytest.approx((0.2 + 0.4 + 0.7 + 0.5) / 4)


def test_a_class_that_is_guessed_but_never_true_lowers_macro_f1_and_not_uar() -> None:
    probabilities = np.array([[0.9, 0.05, 0.05], [0.9, 0.05, 0.05], [0.05, 0.05, 0.9]])
    m = classification_metrics(probabilities, np.array([0, 0, 0]))
    assert m["uar"] == pytest.approx(2 / 3)
    assert m["macro_f1"] == pytest.approx((0.8 + 0.0) / 2)
    assert m["weighted_f1"] == pytest.approx(0.8)


def test_one_class_alone_judged_rightly_is_perfect() -> None:
    m = classification_metrics(np.array([[0.0, 1.0], [0.0, 1.0]]), np.array([1, 1]))
    assert (m["accuracy"], m["weighted_f1"], m["macro_f1"], m["uar"]) == (1.0, 1.0, 1.0, 1.0)
    assert (m["ece"], m["nll"]) == (0.0, 0.0)


def test_certain_and_wrong_costs_a_finite_amount() -> None:
    m = classification_metrics(np.array([[1.0, 0.0]]), np.array([1]))
    assert m["ece"] == 1.0
    assert math.isfinite(m["nll"])
    assert m["nll"] > 20


def test_figures_are_json_without_numpy_types() -> None:
    m = classification_metrics(*random_case(20, 7, 0), LABELS)
    assert json.loads(json.dumps(m)) == m


def test_ece_of_hand_made_cases() -> None:
    # One bin, .7 claimed, half right.
    assert expected_calibration_error(two_classes([0.7, 0.7]), np.array([0, 1])) == pytest.approx(0.2)
    # Errors of one bin do not cancel those of another: .61 all right, .95 all wrong.
    ece = expected_calibration_error(two_classes([0.61, 0.95]), np.array([0, 1]))
    assert ece == pytest.approx((0.39 + 0.95) / 2)
    # Inside one bin they do: .61 and .65 share (.6, .667], one right.
    assert expected_calibration_error(two_classes([0.61, 0.65]), np.array([0, 1])) == pytest.approx(abs(0.5 - 0.63))


def test_ece_uses_fifteen_bins_closed_above() -> None:
    assert ECE_BINS == 15
    # 0.8 = 12/15 belongs to the bin below, with 0.79, not with 0.81.
    edge, below, above = np.array([[0.8, 0.2]]), np.array([[0.79, 0.21]]), np.array([[0.81, 0.19]])
    truth = np.array([0, 1])
    assert expected_calibration_error(np.concatenate([edge, below]), truth) == pytest.approx(abs(0.5 - 0.795))
    assert expected_calibration_error(np.concatenate([edge, above]), truth) == pytest.approx((0.2 + 0.81) / 2)


@pytest.mark.parametrize("bins", [1, 5, 15])
@pytest.mark.parametrize("seed", range(4))
def test_ece_is_what_counting_gives(seed: int, bins: int) -> None:
    probabilities, truth = random_case(500, 7, seed)
    ece = expected_calibration_error(probabilities, truth, bins)
    assert ece == pytest.approx(ece_by_counting(probabilities, truth, bins), abs=1e-12)


def test_a_calibrated_forecaster_has_a_small_ece_and_an_overconfident_one_a_large() -> None:
    probabilities, truth = random_case(40_000, 7, 3)
    sharpened = probabilities**3 / (probabilities**3).sum(1, keepdims=True)
    assert expected_calibration_error(probabilities, truth) < 0.02
    assert expected_calibration_error(sharpened, truth) > 0.1


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_figures_stay_in_their_bounds_and_do_not_depend_on_the_order_of_rows(data: st.DataObject) -> None:
    n, classes = data.draw(st.integers(1, 30)), data.draw(st.integers(2, 7))
    raw = data.draw(arrays(np.float64, (n, classes), elements=st.floats(1e-3, 1.0)))
    probabilities = raw / raw.sum(1, keepdims=True)
    truth = data.draw(arrays(np.int64, n, elements=st.integers(0, classes - 1)))
    m = classification_metrics(probabilities, truth)
    for name in ("weighted_f1", "macro_f1", "uar", "accuracy", "ece"):
        assert 0.0 <= m[name] <= 1.0 + 1e-12, name
    assert m["nll"] >= 0.0
    assert sum(c["support"] for c in m["per_class"].values()) == n
    order = data.draw(st.permutations(range(n)))
    again = classification_metrics(probabilities[order], truth[order])
    for name in ("weighted_f1", "macro_f1", "uar", "accuracy", "ece", "nll"):
        assert again[name] == pytest.approx(m[name]), name
