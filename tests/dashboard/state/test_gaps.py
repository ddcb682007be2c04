"""Where a session has not heard."""

from __future__ import annotations

from livemerc.dashboard.state.session import SessionState
from livemerc.events import Status


def test_what_is_lost_is_noted_once_where_it_was_noticed() -> None:
    state = SessionState()
    for t_s, dropped_s in ((1.0, 0.0), (2.0, 0.5), (3.0, 0.5), (9.0, 2.0)):
        state.apply(Status(t_s=t_s, lag_s=0, queued={}, dropped_s=dropped_s))
    assert [(lost.t_s, lost.lost_s) for lost in state.gaps.lost] == [(2.0, 0.5), (9.0, 1.5)]
