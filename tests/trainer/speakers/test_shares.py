"""Seconds with the right speaker, reckoned by hand."""

from __future__ import annotations

import pytest

from trainer.speakers.conversations import Turn
from trainer.speakers.shares import Labelled, share_right

TURNS = [Turn("ann", 0.0, 4.0), Turn("ben", 4.0, 6.0), Turn("ann", 5.0, 10.0)]
"""From 5 to 6 s both speak."""


def test_all_right_under_other_names_counts_as_right() -> None:
    share = share_right(TURNS, [Labelled(0.0, 4.0, "S2"), Labelled(4.0, 5.5, "S1"), Labelled(6.0, 10.0, "S2")])
    assert share.judged_s == pytest.approx(9.0)
    assert share.right == pytest.approx(1.0)
    assert share.best == pytest.approx(1.0)
    assert share.found == 2


def test_unknown_is_not_right_and_an_utterance_of_two_can_be_right_for_one() -> None:
    share = share_right(TURNS, [Labelled(0.0, 5.0, "S1"), Labelled(6.0, 10.0, None)])
    assert share.judged_s == pytest.approx(9.0)
    assert share.right_s == pytest.approx(4.0)
    assert share.best_s == pytest.approx(8.0)


def test_two_labels_of_one_person_are_not_both_right() -> None:
    share = share_right([Turn("ann", 0.0, 10.0)], [Labelled(0.0, 6.0, "S1"), Labelled(6.0, 10.0, "S2")])
    assert share.right == pytest.approx(0.6)
    assert share.found == 2


def test_nothing_heard_is_nothing_judged() -> None:
    assert share_right(TURNS, []).right == 0.0
