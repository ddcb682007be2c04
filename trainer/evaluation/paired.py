"""Compares two checkpoints on the same rows (`livemerc-train evaluate --against`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from livemerc.errors import ConfigError
from trainer.evaluation.bootstrap import Tally, paired
from trainer.evaluation.evaluate import Judgement

TEST = "approximate randomisation over dialogues, two-sided (Noreen 1989; Yeh 2000)"


def compare(a: Judgement, b: Judgement, resamples: int, seed: int) -> dict[str, Any]:
    """b minus a for each branch that both have: see `bootstrap.paired`; and "rows_that_differ", the share of rows whose
    labels differ, with "only_a_right" and "only_b_right" (shares; the rest of the differing rows are wrong twice).

    Raises `ConfigError` if the rows or the label sets are not the same.
    """
    if a.labels != b.labels:
        raise ConfigError(
            f"--against: the checkpoints judge different labels ({', '.join(a.labels)} and {', '.join(b.labels)}); "
            "only figures of the same labels can be compared."
        )
    if not np.array_equal(a.truth, b.truth) or not np.array_equal(a.dialogue, b.dialogue):
        raise ConfigError("--against: the two judged different rows; give both the same manifest and split.")
    found: dict[str, Any] = {"test": TEST, "resamples": resamples}
    for name in (n for n in a.branches() if n in b.branches()):
        left, right = a.branches()[name], b.branches()[name]
        label_a, label_b = left.argmax(1), right.argmax(1)
        found[name] = {
            **paired(
                Tally.of(left, a.truth, a.dialogue), Tally.of(right, b.truth, b.dialogue), a.labels, resamples, seed
            ),
            "rows_that_differ": float((label_a != label_b).mean()),
            "only_a_right": float(((label_a == a.truth) & (label_b != a.truth)).mean()),
            "only_b_right": float(((label_a != a.truth) & (label_b == a.truth)).mean()),
        }
    return found
