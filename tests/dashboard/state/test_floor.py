"""How the floor is shared, as the screen's state tells it."""

from __future__ import annotations

from helpers.scripted_monitor import final, partial, start

from livemerc.dashboard.state.session import SessionState
from livemerc.events import Event, UtteranceSpeaker


def after(*events: Event) -> SessionState:
    state = SessionState()
    for event in events:
        state.apply(event)
    return state


def test_who_speaks_counts_once_it_is_final_and_again_when_it_was_somebody_else() -> None:
    state = after(start(), final(1, 0, 6, "well", "S1"), final(2, 7, 9, "no", "S2"), partial(3, 10, "but"))
    assert state.talk().talked_s == {"S1": 6, "S2": 2}
    assert state.talk() is state.talk()
    state.apply(final(3, 10, 11, "but why", "S2"))
    assert state.talk().talked_s == {"S1": 6, "S2": 3}
    state.apply(UtteranceSpeaker(utterance_id="u2", speaker="S1", confidence=0.9, revision=1, status="revised"))
    assert state.talk().talked_s == {"S1": 8, "S2": 1}
    state.apply(final(4, 12, 14, "it is", "S1", overlaps=[(12.5, 13.0), (13.5, 14.0)]))
    assert state.talk().overlap_s == 1.0
    assert state.copy().talk().talked_s == state.talk().talked_s
