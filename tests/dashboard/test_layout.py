"""The plan of the screen: rows and columns for every size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livemerc.dashboard.layout import VIEWS, plan


@given(
    st.integers(1, 300), st.integers(1, 90), st.sampled_from(VIEWS), st.integers(2, 12), st.booleans(),
    st.integers(0, 8), st.integers(0, 6),
)  # fmt: skip
def test_no_plan_needs_more_rows_than_there_are(
    width: int, rows: int, view: str, labels: int, marks: bool, speakers: int, trouble: int
) -> None:
    made = plan(width, rows, view=view, labels=labels, marks=marks, speakers=speakers, trouble=trouble)
    below = made.course + made.timeline + made.meter + made.status
    slot = sum(made.slot.values())
    assert all(count > 0 for count in made.slot.values())
    assert made.side_width < width or not made.side_width
    taken = 2 + trouble + below + (0 if made.side_width else slot)
    assert taken <= max(rows, 2 + trouble)
    if made.side_width:
        assert slot <= rows - 2 - trouble - below
    if rows >= 20 and trouble <= rows // 4:
        assert rows - taken >= 4  # the words
        assert made.slot


@pytest.mark.parametrize(("size", "shown"), [((60, 20), 1), ((80, 24), 1), ((120, 40), 2), ((200, 60), 3)])
def test_every_view_can_be_had_at_every_size(size: tuple[int, int], shown: int) -> None:
    made = [plan(*size, view=view, marks=True, speakers=2) for view in VIEWS]
    assert all(len(p.slot) == shown for p in made)
    always = {"course"} if made[0].course else set()
    assert always.union(*(p.slot for p in made)) == set(VIEWS)
    choices = made[0].choices
    assert all(any(choice in p.slot for p in made) for choice in choices)
