"""The valence of an estimate."""

from __future__ import annotations

import pytest

from livemerc.emotions import EMOTIONS, LABELS, expected_valence


@pytest.mark.parametrize("label", LABELS)
def test_a_sure_estimate_has_the_valence_of_its_label(label: str) -> None:
    assert expected_valence({label: 1.0}) == EMOTIONS[label].valence


def test_between_two_labels_it_lies_where_their_probabilities_put_it() -> None:
    assert expected_valence({"joy": 0.5, "neutral": 0.5}) == pytest.approx(0.45)
    assert expected_valence({"joy": 0.25, "sadness": 0.75}) == pytest.approx(0.25 * 0.9 - 0.75 * 0.7)


def test_labels_of_a_users_own_checkpoint_leave_it_unknown_once_they_weigh_more() -> None:
    assert expected_valence({"weary": 0.6, "joy": 0.4}) is None
    assert expected_valence({"weary": 0.4, "joy": 0.6}) == pytest.approx(0.9)
    assert expected_valence({}) is None
