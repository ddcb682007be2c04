"""How far a live session is behind, on a clock that the test sets."""

from __future__ import annotations

import pytest

from livemerc.pipeline.backlog import Backlog
from livemerc.pipeline.deadline import Deadline
from livemerc.runtime.clocks import SourceClock
from livemerc.runtime.lanes import Closed


class Due(SourceClock):
    """So much source time ought to have been dealt with."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def due_s(self) -> float:
        return self.now_s


def test_lag_is_measured_from_the_oldest_utterance_that_waits() -> None:
    clock = Due()
    backlog = Backlog(clock, live=True)
    clock.now_s = 5.0
    assert backlog.lag_s == 0.0
    backlog.handed_over(5.0)
    backlog.handed_over(7.0)
    clock.now_s = 9.0
    assert backlog.lag_s == 4.0
    backlog.took(7.0)
    assert backlog.lag_s == 2.0
    assert backlog.behind_s(7.0) == 2.0
    backlog.emptied()
    assert backlog.lag_s == 0.0


def test_what_piled_up_while_models_loaded_is_told_and_is_no_sign_of_a_slow_machine() -> None:
    clock = Due()
    backlog = Backlog(clock, live=True)
    backlog.handed_over(1.0)
    clock.now_s = 9.0
    backlog.loaded()
    backlog.took(1.0)
    assert backlog.lag_s == 8.0
    assert backlog.behind_s(1.0) == 0.0
    clock.now_s = 12.0
    assert backlog.behind_s(1.0) == 3.0  # its own doing
    assert backlog.behind_s(10.0) == 0.0  # caught up so far: less is inherited from now on
    assert backlog.behind_s(1.0) == 9.0


def test_a_file_as_fast_as_it_goes_is_never_behind() -> None:
    clock = Due()
    backlog = Backlog(clock, live=False)
    backlog.handed_over(1.0)
    clock.now_s = 100.0
    assert (backlog.lag_s, backlog.behind_s(1.0)) == (0.0, 0.0)


def test_a_deadline_runs_from_the_first_stop_and_ends_all_waiting_when_nobody_listens() -> None:
    deadline = Deadline(within_s=1000.0)
    assert (deadline.stopping, deadline.left_s(), deadline.is_within(1.0)) == (False, None, False)
    deadline.stop()
    first_s = deadline.left_s()
    deadline.stop()
    second_s = deadline.left_s()
    assert first_s is not None
    assert second_s is not None
    assert deadline.stopping
    assert 900.0 < second_s <= first_s <= 1000.0
    assert not deadline.is_within(0.5)
    deadline.abandon()
    with pytest.raises(Closed):
        deadline.left_s()
