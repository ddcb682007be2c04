"""The board of what is degraded, and what readers of `status.degraded` make of it."""

from __future__ import annotations

import pytest

from livemerc.runtime.notices import PAUSED, Notice, Notices, is_paused, less_pause


def test_all_is_well_until_something_is_told_and_after_it_is_taken_back() -> None:
    notices = Notices()
    assert notices.degraded() is None
    notices.tell(Notice.OVERLOAD, "behind")
    notices.tell(Notice.ASR_FAILED, "no words")
    assert notices.degraded() == "behind; no words"
    notices.tell(Notice.OVERLOAD, "far behind")  # keeps its place
    assert notices.degraded() == "far behind; no words"
    notices.tell(Notice.OVERLOAD, None)
    notices.tell(Notice.OVERLOAD, None)
    assert notices.degraded() == "no words"


@pytest.mark.parametrize(
    ("degraded", "paused", "rest"),
    [
        (None, False, None),
        (PAUSED, True, None),
        (f"behind; {PAUSED}", True, "behind"),
        (f"{PAUSED}; behind; no words", True, "behind; no words"),
        ("behind", False, "behind"),
        ("not paused: nothing is being heard of it", False, "not paused: nothing is being heard of it"),
    ],
)
def test_a_pause_is_told_from_trouble(degraded: str | None, paused: bool, rest: str | None) -> None:
    assert is_paused(degraded) is paused
    assert less_pause(degraded) == rest
