"""Calibration measured on dialogues that it was not fitted on (`livemerc-train evaluate --calibration-halves`).

Temperatures are fitted on one half of the dialogues, ECE and NLL are measured on the other, both ways, over several
random splits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from livemerc.errors import InputError
from trainer.evaluation.evaluate import Judgement
from trainer.loop.calibrate import fit_temperature
from trainer.loop.metrics import calibration_floor, expected_calibration_error

SPLITS = 10
LEAST_ROWS = 20
"""A condition (text only, speech only, both) with fewer rows in the fitting half keeps the temperature it has."""


def calibration_halves(judgement: Judgement, seed: int, splits: int = SPLITS) -> dict[str, dict[str, Any]]:
    """Figures of each branch:

    - "ece", "nll": means over `splits` splits x both ways, measured on about half of the rows;
    - "ece_deviation": s.d. over the splits (each the mean of its two ways);
    - "ece_shipped", "nll_shipped": the same halves with the checkpoint's own temperatures;
    - "ece_if_calibrated": what a perfectly calibrated model would show on such halves (mean; see `calibration_floor`);
    - "ece_whole": both halves' out-of-half probabilities put together and measured once over all rows, mean;
    - "temperature": mean factor on the checkpoint's own temperature.

    Dialogues are split, not rows. Raises `InputError` where there is one dialogue only.
    """
    dialogues = int(judgement.dialogue.max()) + 1
    if dialogues < 2:
        raise InputError("--calibration-halves splits dialogues and found one only; evaluate a split of two or more.")
    rng = np.random.default_rng(seed)
    sides = []
    for _ in range(splits):
        first = np.zeros(dialogues, bool)
        first[rng.permutation(dialogues)[: dialogues // 2]] = True
        sides.append(first[judgement.dialogue])
    return {name: _branch(name, p, judgement, sides, seed) for name, p in judgement.branches().items()}


def _branch(
    name: str, probabilities: np.ndarray, judgement: Judgement, sides: list[np.ndarray], seed: int
) -> dict[str, Any]:
    # With the other modality masked, a branch sees two conditions: there or not.
    has_text = judgement.has_text & (name != "speech")
    has_speech = judgement.has_speech & (name != "text")
    condition = has_text.astype(int) + 2 * has_speech.astype(int)
    truth = judgement.truth
    ways, whole, factors = [], [], []
    for side in sides:
        together = probabilities.copy()
        for measured in (side, ~side):
            together[measured], fitted = _rescaled(probabilities, truth, condition, ~measured, measured)
            factors += fitted
            ways.append(
                (
                    expected_calibration_error(together[measured], truth[measured]),
                    _nll(together[measured], truth[measured]),
                    expected_calibration_error(probabilities[measured], truth[measured]),
                    _nll(probabilities[measured], truth[measured]),
                    calibration_floor(together[measured], 0.0, seed, simulations=200).mean,
                )
            )
        whole.append(expected_calibration_error(together, truth))
    ece, nll, ece_shipped, nll_shipped, floor = np.mean(ways, axis=0).tolist()
    by_split = np.array([w[0] for w in ways]).reshape(-1, 2).mean(1)
    return {
        "splits": len(sides),
        "ece": ece,
        "ece_deviation": float(by_split.std(ddof=1)) if len(sides) > 1 else 0.0,
        "ece_shipped": ece_shipped,
        "ece_if_calibrated": floor,
        "ece_whole": float(np.mean(whole)),
        "nll": nll,
        "nll_shipped": nll_shipped,
        "temperature": float(np.mean(factors)) if factors else 1.0,
    }


def _rescaled(
    probabilities: np.ndarray, truth: np.ndarray, condition: np.ndarray, fit: np.ndarray, measured: np.ndarray
) -> tuple[np.ndarray, list[float]]:
    """The measured rows' probabilities with temperatures fitted on the rows `fit`, one a condition; and the factors.

    softmax(log p / f) = softmax(logits / (T f)): from probabilities at temperature T, f T is fitted without the logits.
    """
    out = probabilities.copy()
    factors = []
    for kind in (1, 2, 3):  # text, speech, both; with neither the prior is given, which has no temperature
        known, wanted = fit & (condition == kind), measured & (condition == kind)
        if known.sum() < LEAST_ROWS or not wanted.any():
            continue
        logits = torch.from_numpy(np.log(np.clip(probabilities, 1e-12, 1.0)))
        factor = fit_temperature(logits[known], torch.from_numpy(truth[known]))
        factors.append(factor)
        out[wanted] = (logits[wanted] / factor).softmax(-1).numpy()
    return out[measured], factors


def _nll(probabilities: np.ndarray, truth: np.ndarray) -> float:
    picked = probabilities[np.arange(len(truth)), truth]
    return float(-np.log(np.clip(picked, 1e-12, 1.0)).mean())
