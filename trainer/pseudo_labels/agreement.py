"""How far a teacher agrees with gold sentiment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trainer.corpora.corpus import SENTIMENTS
from trainer.loop.metrics import confusion_matrix, label_metrics, per_class

PAPER = 0.5298
"""GPT-3.5's labels against emotions mapped to sentiment, as quoted from MERITS-L: another corpus, no target."""


def agreement(pairs: Sequence[tuple[str, str | None]]) -> dict[str, Any] | None:
    """(gold, label)s -> figures over the labelled ones, and how many of the gold ones have no label; None without gold.

    `majority`: what always saying the most frequent gold label would give. `confusion[gold][label]` counts; `per_class`
    as in the evaluate contract.
    """
    labelled = [(gold, label) for gold, label in pairs if label is not None]
    if not labelled:
        return None
    truth, guess = (np.array([SENTIMENTS.index(name) for name in names]) for names in zip(*labelled, strict=True))
    figures = label_metrics(guess, truth, len(SENTIMENTS))
    counts = confusion_matrix(np.eye(len(SENTIMENTS))[guess], truth)
    return {
        "overall": figures["accuracy"],
        "majority": float(counts.sum(1).max() / len(labelled)),
        "paper": PAPER,
        "n": len(labelled),
        "without_label": len(pairs) - len(labelled),
        "weighted_f1": figures["weighted_f1"],
        "per_class": per_class(guess, truth, SENTIMENTS),
        "confusion": {
            gold: {label: int(n) for label, n in zip(SENTIMENTS, row, strict=True)}
            for gold, row in zip(SENTIMENTS, counts, strict=True)
        },
    }


def agreement_lines(figures: dict[str, Any]) -> list[str]:
    """The same for people."""
    lines = [
        f"agreement with gold: {figures['overall']:.2%} of {figures['n']} (the paper's GPT-3.5, on its own data: "
        f"{figures['paper']:.2%}; always the most frequent label: {figures['majority']:.2%}), weighted F1 "
        f"{figures['weighted_f1']:.4f}",
        f"  {'gold':9} precision  recall      F1  support   labelled {'  '.join(f'{s:>8}' for s in SENTIMENTS)}",
    ]
    for name, c in figures["per_class"].items():
        row = "  ".join(f"{figures['confusion'][name][s]:8d}" for s in SENTIMENTS)
        lines.append(
            f"  {name:9} {c['precision']:9.4f} {c['recall']:7.4f} {c['f1']:7.4f} {c['support']:8d}            {row}"
        )
    if figures["without_label"]:
        lines.append(f"  {figures['without_label']} more have gold, but no label")
    return lines
