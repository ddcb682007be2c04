"""What the tables of the dialogue decoder learn from labels."""

from __future__ import annotations

import numpy as np
import pytest

from livemerc.model.dialogue_tables import DialogueTables, fit_tables

LABELS = ["calm", "glad", "cross"]


def probability(
    tables: DialogueTables, own: str | None, other: str | None, label: str, table: str = "answers"
) -> float:
    at = [len(LABELS) if name is None else LABELS.index(name) for name in (own, other)]
    rows = np.tensordot(tables.moods, np.array(getattr(tables, table)), 1)
    return float(rows[at[0], at[1], LABELS.index(label)])


def test_rows_are_probabilities_and_none_is_nothing() -> None:
    tables = fit_tables([[("a", "calm"), ("b", "calm")], [("a", "glad")]], LABELS)
    tables.check()
    for name in ("answers", "continues", "unknown"):
        assert (np.array(getattr(tables, name)) > 0).all()


def test_inertia_and_pull_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    stays, follows = [], []
    for _ in range(60):
        a, b = rng.choice(LABELS, 2)
        stays.append([("a", str(a)), ("b", str(b))] * 5)
        course = [str(rng.choice(LABELS)) for _ in range(5)]
        follows.append([pair for label in course for pair in (("a", label), ("b", label))])
    stay, follow = fit_tables(stays, LABELS), fit_tables(follows, LABELS)
    assert probability(stay, "glad", "cross", "glad") > 0.8
    assert probability(follow, "glad", "cross", "cross") > probability(follow, "glad", "cross", "glad")


def test_who_goes_on_and_who_answers_are_told_apart() -> None:
    """Who goes on keeps the emotion, who answers is calm."""
    rng = np.random.default_rng(0)
    dialogues = []
    for _ in range(40):
        course = [str(rng.choice(LABELS)) for _ in range(8)]
        dialogues.append([pair for x in course for pair in (("a", x), ("a", x), ("b", "calm"))])
    tables = fit_tables(dialogues, LABELS)
    assert probability(tables, "glad", "calm", "glad", "continues") > 0.8
    assert probability(tables, "calm", "glad", "calm", "answers") > 0.8


def test_what_was_never_seen_leans_on_less_context() -> None:
    dialogues = [[("a", "glad")] * 6 for _ in range(20)] + [[("a", "calm"), ("b", "calm")] * 3 for _ in range(20)]
    tables = fit_tables(dialogues, LABELS)
    # nobody was glad beside somebody cross, but who was glad stayed glad
    assert probability(tables, "glad", "cross", "glad", "continues") > 0.5


def test_moods_are_found_where_dialogues_differ_as_wholes() -> None:
    """In each dialogue one label is frequent, and what was said last tells nothing beyond it."""
    rng = np.random.default_rng(0)
    mixed, alike = [], []
    for d in range(60):
        shares = np.full(3, 0.1)
        shares[d % 3] = 0.8
        mixed.append([("ab"[t % 2], str(rng.choice(LABELS, p=shares))) for t in range(30)])
        alike.append([("ab"[t % 2], str(rng.choice(LABELS))) for t in range(30)])
    assert len(fit_tables(mixed, LABELS).moods) >= 3
    assert len(fit_tables(alike, LABELS).moods) == 1


def test_unknown_speakers_follow_whoever_spoke_last() -> None:
    course = [(None, label) for label in LABELS for _ in range(8)]
    tables = fit_tables([course[at:] + course[:at] for at in range(24)], LABELS)
    rows = np.tensordot(tables.moods, np.array(tables.unknown), 1)
    assert all(rows[i, i] > 0.7 for i in range(3))
    assert tables.shares == pytest.approx([1 / 3] * 3, abs=1e-3)
