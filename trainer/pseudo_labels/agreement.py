"""How far a teacher agrees with gold sentiment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainer.corpora.corpus import SENTIMENTS

PAPER = 0.5298
"""GPT-3.5's labels against emotions mapped to sentiment, as quoted from MERITS-L: another corpus, no target."""


def agreement(pairs: Sequence[tuple[str, str | None]]) -> dict[str, Any] | None:
    """(gold, label)s -> figures over the labelled ones, and how many of the gold ones have no label; None without gold.

    `majority`: what always saying the most frequent gold label would give. `confusion[gold][label]` counts; `per_class`
    as in the evaluate contract.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    labelled = [(gold, label) for gold, label in pairs if label is not None]
    if not labelled:
        return None
    truth, guess = [g for g, _ in labelled], [g for _, g in labelled]
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, guess, labels=list(SENTIMENTS), zero_division=0
    )
    counts = confusion_matrix(truth, guess, labels=list(SENTIMENTS))
    return {
        "overall": sum(g == label for g, label in labelled) / len(labelled),
        "majority": float(support.max() / support.sum()),
        "paper": PAPER,
        "n": len(labelled),
        "without_label": len(pairs) - len(labelled),
        "weighted_f1": float((f1 * support).sum() / support.sum()),
        "per_class": {
            name: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
            for name, p, r, f, s in zip(SENTIMENTS, precision, recall, f1, support, strict=True)
        },
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
