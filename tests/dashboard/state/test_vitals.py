"""How the monitor itself is: newest of events and gauges, pauses, clipping."""

from __future__ import annotations

from helpers.dashboard import state_after
from helpers.scripted_monitor import ScriptedGauges, end, start

from livemerc.dashboard.state.vitals import CLIPPING_HELD_S
from livemerc.events import MicState, Status
from livemerc.runtime.notices import PAUSED


def test_health_takes_the_newest_of_events_and_gauges_and_losses_only_grow() -> None:
    state = state_after(
        start(), Status(t_s=5.0, lag_s=1.0, queued={"brain": 2}, dropped_s=0.5, overruns=2, degraded="slow")
    )
    assert state.health.troubles() == ["DEGRADED: slow"]
    state.apply_gauges(ScriptedGauges(t_s=6.0, lag_s=0.1, mic=MicState(ok=False, why="muted; unmute it")))
    assert state.health.troubles() == ["MICROPHONE: muted; unmute it"]
    assert (state.health.dropped_s, state.health.overruns) == (0.5, 2)
    state.apply_gauges(ScriptedGauges(t_s=7.0, lag_s=9.0))
    assert state.health.troubles() == ["BEHIND: what you see was said 9 s ago"]


def test_after_the_end_nothing_of_the_monitor_is_taken_for_news() -> None:
    state = state_after(start(), end(28.0, 0))
    state.apply_gauges(ScriptedGauges(elapsed_s=99.0, speaking=True, mic=MicState(ok=False, why="closed")))
    assert state.health.troubles() == []
    assert not state.health.speaking
    assert (state.health.elapsed_s, state.duration_s) == (0.0, 28.0)


def test_the_clipping_mark_stays_long_enough_to_be_seen() -> None:
    state = state_after(start())
    state.apply_gauges(ScriptedGauges(elapsed_s=10.0, level_dbfs=-0.5))
    state.apply_gauges(ScriptedGauges(elapsed_s=10.0 + CLIPPING_HELD_S - 0.1, level_dbfs=-30))
    assert state.health.clipping
    state.apply_gauges(ScriptedGauges(elapsed_s=10.1 + CLIPPING_HELD_S, level_dbfs=-30))
    assert not state.health.clipping


def test_a_pause_in_a_record_is_a_pause_and_no_trouble() -> None:
    state = state_after(start())
    for t_s, degraded in ((1.0, None), (2.0, PAUSED), (4.0, PAUSED), (5.0, None), (6.0, f"slow; {PAUSED}")):
        state.apply(Status(t_s=t_s, lag_s=0, queued={}, degraded=degraded))
    assert [(s.kind, s.start_s, s.end_s) for s in state.gaps.spans] == [("pause", 2.0, 5.0), ("pause", 6.0, 6.0)]
    assert state.health.paused
    assert state.health.troubles() == ["DEGRADED: slow"]
