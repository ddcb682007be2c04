"""Classification metrics of the contract: weighted F1, macro F1, UAR, accuracy, ECE, NLL, per class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

ECE_BINS = 15


@dataclass(frozen=True, slots=True)
class Reliability:
    """Bins of the top label's probability, each (bins,): how many rows, their mean confidence, how many were right.
    A bin without rows has confidence and accuracy 0."""

    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def ece(self) -> float:
        """Guo et al. 2017, Eq. 3."""
        return float((self.count * np.abs(self.accuracy - self.confidence)).sum() / self.count.sum())


def confidence_bin(confidence: np.ndarray, bins: int = ECE_BINS) -> np.ndarray:
    """Index of each confidence's bin. Bins are (lower, upper], as in the paper; 0 exactly cannot be a top label."""
    return np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)


def reliability(probabilities: np.ndarray, truth: np.ndarray, bins: int = ECE_BINS) -> Reliability:
    """The reliability diagram's numbers. probabilities (N, C), truth (N,)."""
    confidence = probabilities.max(1)
    correct = probabilities.argmax(1) == truth
    index = confidence_bin(confidence, bins)
    count = np.bincount(index, minlength=bins)
    some = np.maximum(count, 1)
    return Reliability(
        count, np.bincount(index, confidence, bins) / some, np.bincount(index, correct.astype(float), bins) / some
    )


def expected_calibration_error(probabilities: np.ndarray, truth: np.ndarray, bins: int = ECE_BINS) -> float:
    """ECE of the top label (Guo et al. 2017, Eq. 3) with equal-width bins. probabilities (N, C), truth (N,)."""
    return reliability(probabilities, truth, bins).ece


@dataclass(frozen=True, slots=True)
class CalibrationFloor:
    """What ECE a perfectly calibrated model would show on as many rows with the same confidences.

    ECE is biased upwards: with few rows in a bin, accuracy differs from confidence by chance alone. `mean` and `p95`
    are over simulated labels; `p_value` is the share of simulations with an ECE at least as large as the one measured.
    """

    mean: float
    p95: float
    p_value: float


def calibration_floor(
    probabilities: np.ndarray, ece: float, seed: int = 0, simulations: int = 2000, bins: int = ECE_BINS
) -> CalibrationFloor:
    """Consistency resampling (Bröcker & Smith 2007, section 3; Vaicenavicius et al. 2019, section 5).

    Labels are drawn from the predicted probabilities, row by row. ECE depends only on whether the top label is right,
    so a coin with the top probability is enough. Rows of one dialogue are not independent, so the true floor is rather
    higher. probabilities (N, C).
    """
    rng = np.random.default_rng(seed)
    confidence = probabilities.max(1)
    index = confidence_bin(confidence, bins)
    order = np.argsort(index, kind="stable")
    confidence, starts = confidence[order], np.searchsorted(index[order], np.arange(bins))
    filled = np.bincount(index, minlength=bins) > 0
    found = np.empty(simulations)
    chunk = max(1, 2_000_000 // len(confidence))
    for start in range(0, simulations, chunk):
        size = min(chunk, simulations - start)
        right = rng.random((size, len(confidence))) < confidence
        gap = np.add.reduceat(right - confidence, starts[filled], axis=1)
        found[start : start + size] = np.abs(gap).sum(1) / len(confidence)
    # + 1: the measured value is itself one draw under the hypothesis, so p is never 0 (Davison & Hinkley 1997, 4.11)
    p_value = (1 + (found >= ece - 1e-12).sum()) / (simulations + 1)
    return CalibrationFloor(float(found.mean()), float(np.quantile(found, 0.95)), float(p_value))


def confusion_matrix(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(C, C) counts, rows = truth, columns = arg max."""
    classes = probabilities.shape[1]
    return np.bincount(truth * classes + probabilities.argmax(1), minlength=classes**2).reshape(classes, classes)


def classification_metrics(
    probabilities: np.ndarray, truth: np.ndarray, labels: list[str] | tuple[str, ...] | None = None
) -> dict[str, Any]:
    """`M` of the evaluate contract. probabilities (N, C) summing to 1, truth (N,) int. UAR over the classes present."""
    assert np.isfinite(probabilities).all()
    picked = probabilities[np.arange(len(truth)), truth]
    return {
        **label_metrics(probabilities.argmax(1), truth, probabilities.shape[1]),
        "ece": expected_calibration_error(probabilities, truth),
        "nll": float(-np.log(np.clip(picked, 1e-12, 1.0)).mean()),
        "per_class": per_class(
            probabilities.argmax(1), truth, labels or [str(c) for c in range(probabilities.shape[1])]
        ),
    }


def label_metrics(guess: np.ndarray, truth: np.ndarray, classes: int) -> dict[str, float]:
    """Weighted F1, macro F1, UAR, accuracy of labels alone. guess (N,) int, -1 = none was given: wrong, and no class is
    blamed for it."""
    from sklearn.metrics import f1_score, precision_recall_fscore_support

    known = np.arange(classes)
    _, recall, f1, support = precision_recall_fscore_support(truth, guess, labels=known, zero_division=0)
    present = support > 0
    # macro over the classes that occur in truth or guess, as scikit-learn does without `labels`
    occurring = np.intersect1d(known, np.union1d(truth, guess))
    return {
        "weighted_f1": float(np.average(f1, weights=support)),
        "macro_f1": float(f1_score(truth, guess, labels=occurring, average="macro", zero_division=0)),
        "uar": float(recall[present].mean()),
        "accuracy": float((guess == truth).mean()),
    }


def per_class(guess: np.ndarray, truth: np.ndarray, labels: list[str] | tuple[str, ...]) -> dict[str, dict[str, float]]:
    """{label: {"precision", "recall", "f1", "support"}}; guess as in `label_metrics`."""
    from sklearn.metrics import precision_recall_fscore_support

    figures = precision_recall_fscore_support(truth, guess, labels=np.arange(len(labels)), zero_division=0)
    return {
        name: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
        for name, p, r, f, s in zip(labels, *figures, strict=True)
    }
