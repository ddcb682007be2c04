"""Classification metrics of the contract: weighted F1, macro F1, UAR, accuracy, ECE, NLL, per class."""

from __future__ import annotations

from typing import Any

import numpy as np

ECE_BINS = 15


def expected_calibration_error(probabilities: np.ndarray, truth: np.ndarray, bins: int = ECE_BINS) -> float:
    """ECE of the top label (Guo et al. 2017, Eq. 3) with equal-width bins. probabilities (N, C), truth (N,)."""
    confidence = probabilities.max(1)
    correct = probabilities.argmax(1) == truth
    # Bins are (lower, upper], as in the paper; a confidence of exactly 0 cannot be a top label.
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    error = 0.0
    for b in range(bins):
        inside = index == b
        if inside.any():
            error += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return float(error)


def classification_metrics(
    probabilities: np.ndarray, truth: np.ndarray, labels: list[str] | tuple[str, ...] | None = None
) -> dict[str, Any]:
    """`M` of the evaluate contract. probabilities (N, C) summing to 1, truth (N,) int. UAR over the classes present."""
    from sklearn.metrics import f1_score, precision_recall_fscore_support

    classes = np.arange(probabilities.shape[1])
    guess = probabilities.argmax(1)
    precision, recall, f1, support = precision_recall_fscore_support(truth, guess, labels=classes, zero_division=0)
    present = support > 0
    names = labels or [str(c) for c in classes]
    picked = probabilities[np.arange(len(truth)), truth]
    return {
        "weighted_f1": float(np.average(f1, weights=support)),
        # macro over the classes that occur in truth or guess, as scikit-learn does without `labels`
        "macro_f1": float(f1_score(truth, guess, average="macro", zero_division=0)),
        "uar": float(recall[present].mean()),
        "accuracy": float((guess == truth).mean()),
        "ece": expected_calibration_error(probabilities, truth),
        "nll": float(-np.log(np.clip(picked, 1e-12, 1.0)).mean()),
        "per_class": {
            name: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
            for name, p, r, f, s in zip(names, precision, recall, f1, support, strict=True)
        },
    }
