"""Uncertainty over dialogues: bootstrap intervals and a paired randomisation test.

Utterances of one dialogue share speakers, topic and course: they are not independent, so what is drawn, or swapped, is
whole dialogues. Every figure of the contract is a function of sums over rows; those sums are kept one a dialogue, and a
resample is one product of matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from livemerc.errors import InputError
from trainer.loop.metrics import ECE_BINS, confidence_bin

FIGURES = ("weighted_f1", "macro_f1", "uar", "accuracy", "ece")
"""What gets an interval."""
PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums of D dialogues. `confusion` (D, C, C) counts, rows = truth; `bins` (D, B): confidence - correct, summed.

    One array of probabilities makes one tally; sums over dialogues give the figures.
    """

    confusion: np.ndarray
    bins: np.ndarray

    @classmethod
    def of(cls, probabilities: np.ndarray, truth: np.ndarray, dialogue: np.ndarray) -> Tally:
        """probabilities (N, C), truth (N,), dialogue (N,): 0 .. D - 1, the dialogue of each row."""
        assert np.isfinite(probabilities).all()
        number, classes = int(dialogue.max()) + 1, probabilities.shape[1]
        guess, confidence = probabilities.argmax(1), probabilities.max(1)
        confusion = np.zeros((number, classes, classes))
        np.add.at(confusion, (dialogue, truth, guess), 1.0)
        bins = np.zeros((number, ECE_BINS))
        np.add.at(bins, (dialogue, confidence_bin(confidence)), confidence - (guess == truth))
        return cls(confusion, bins)

    def __len__(self) -> int:
        return len(self.confusion)

    def figures(self, weights: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Each of `FIGURES` as (S,) and "f1" (S, C), of S resamples. weights (S, D): how often each dialogue is in the
        resample; None = all once, S = 1. A class that a resample lacks in truth and guess has F1 0 and weight 0."""
        weights = np.ones((1, len(self))) if weights is None else weights
        d, c, _ = self.confusion.shape
        confusion = (weights @ self.confusion.reshape(d, c * c)).reshape(-1, c, c)
        bins = weights @ self.bins
        right = np.diagonal(confusion, axis1=1, axis2=2)
        support, guessed = confusion.sum(2), confusion.sum(1)
        n = support.sum(1)
        f1 = 2 * right / np.maximum(support + guessed, 1.0)
        recall = right / np.maximum(support, 1.0)
        return {
            "weighted_f1": (f1 * support).sum(1) / n,
            "macro_f1": f1.sum(1) / (support + guessed > 0).sum(1),
            "uar": recall.sum(1) / (support > 0).sum(1),
            "accuracy": right.sum(1) / n,
            "ece": np.abs(bins).sum(1) / n,
            "f1": f1,
        }


def draws(dialogues: int, resamples: int, seed: int) -> np.ndarray:
    """(resamples, dialogues) how often each dialogue is drawn, with replacement, as many as there are."""
    if dialogues < 2:
        raise InputError("one dialogue alone says nothing about others: intervals need a split of two or more.")
    rng = np.random.default_rng(seed)
    return rng.multinomial(dialogues, np.full(dialogues, 1 / dialogues), size=resamples).astype(float)


def interval(values: np.ndarray) -> list[float]:
    """[2.5 %, 97.5 %] of (S,) resampled values (percentile interval: Efron & Tibshirani 1993, section 13.3)."""
    low, high = np.percentile(values, PERCENTILES)
    return [float(low), float(high)]


def bootstrap(tallies: list[Tally], resamples: int, seed: int) -> dict[str, list[float]]:
    """95 % intervals of `FIGURES` over dialogues. Several tallies = seeds on the same rows: of their mean.

    Raises `InputError` where there is one dialogue only.
    """
    weights = draws(len(tallies[0]), resamples, seed)
    found = [t.figures(weights) for t in tallies]
    return {name: interval(np.mean([f[name] for f in found], axis=0)) for name in FIGURES}


def paired(a: Tally, b: Tally, labels: list[str], resamples: int, seed: int) -> dict[str, Any]:
    """b minus a, on the same rows: difference, 95 % interval, and p of no difference, for each of `FIGURES`.

    The interval is the paired bootstrap over dialogues (both sides see the same draw). p is approximate randomisation
    (Noreen 1989; Yeh 2000, "More accurate tests for the statistical significance of result differences"), two-sided:
    each dialogue's two results change sides with probability 1/2. McNemar's test would take rows for independent and
    knows accuracy only. "per_class": F1 difference and interval, no p (seven tests would want a correction).
    """
    weights = draws(len(a), resamples, seed)
    before, after = a.figures(), b.figures()
    resampled_a, resampled_b = a.figures(weights), b.figures(weights)
    swaps = np.random.default_rng([seed, 1]).random((resamples, len(a))) < 0.5
    shuffled = _swapped(a, b, swaps)
    out: dict[str, Any] = {}
    for name in FIGURES:
        difference = float(after[name][0] - before[name][0])
        at_least = np.abs(shuffled[name]) >= abs(difference) - 1e-12
        out[name] = {
            "a": float(before[name][0]),
            "b": float(after[name][0]),
            "difference": difference,
            "interval": interval(resampled_b[name] - resampled_a[name]),
            "p_value": float((1 + at_least.sum()) / (resamples + 1)),
        }
    out["per_class"] = {
        label: {
            "difference": float(after["f1"][0, c] - before["f1"][0, c]),
            "interval": interval(resampled_b["f1"][:, c] - resampled_a["f1"][:, c]),
        }
        for c, label in enumerate(labels)
    }
    return out


def _swapped(a: Tally, b: Tally, swaps: np.ndarray) -> dict[str, np.ndarray]:
    """b minus a of each figure after the dialogues marked in `swaps` (S, D) have changed sides, (S,) each."""
    # Sums are linear: those of a with swaps are (1 - s) a + s b.
    both = Tally(np.concatenate([a.confusion, b.confusion]), np.concatenate([a.bins, b.bins]))
    s = swaps.astype(float)
    left, right = both.figures(np.hstack([1 - s, s])), both.figures(np.hstack([s, 1 - s]))
    return {name: right[name] - left[name] for name in FIGURES}
