"""Any moment of a replay is what playing to it gives."""

from __future__ import annotations

import random

import pytest
from helpers.sessions import HOSTILE, conversation

from livemerc.dashboard.state import history as history_module
from livemerc.dashboard.state.history import History
from livemerc.dashboard.state.session import SessionState
from livemerc.events import Event


def looks(state: SessionState) -> tuple[object, ...]:
    return (
        state.start, state.end, state.phase, state.labels, state.utterances, state.newest, state.speakers,
        state.course.columns, state.course.totals_s, state.latency_ms(0.5), state.duration_s,
    )  # fmt: skip


def test_every_moment_is_what_playing_to_it_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "EVENTS_APART", 7)
    events = conversation(12, text=HOSTILE)
    state = SessionState()
    history = History(state, events)
    played = [looks(_played(events, n)) for n in range(len(events) + 1)]
    dice = random.Random(0)
    for taken in [len(events), 0, 1, *(dice.randrange(len(events) + 1) for _ in range(200))]:
        history.go(taken)
        assert looks(state) == played[taken]


def _played(events: list[Event], count: int) -> SessionState:
    state = SessionState()
    for event in events[:count]:
        state.apply(event)
    return state
