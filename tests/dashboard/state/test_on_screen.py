"""What stands on the screen as events again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from helpers.scripted_monitor import emotion, final, start

from livemerc.dashboard.state.on_screen import events_on_screen
from livemerc.dashboard.state.session import SessionState
from livemerc.sessions.journal import read


def rounded(what: Any) -> Any:
    """The screen keeps probabilities as the model gives them, in single precision."""
    if isinstance(what, float):
        return round(what, 6)
    if isinstance(what, dict):
        return {key: rounded(value) for key, value in what.items()}
    return what


def test_the_events_on_the_screen_are_those_that_came_less_hypotheses(tmp_path: Path) -> None:
    came = [
        start(),
        final(1, 1.0, 2.0, "that is fine", "Ann"),
        emotion(1, "joy", 0.6, words=("joy", 0.7)),
        emotion(1, "anger", 0.7, status="revised", revision=1, words=("joy", 0.7), total_ms=None),
        final(2, 3.0, 4.0, "[b]no[/b]", gated="repetition", overlaps=[(3.1, 3.4)]),
        emotion(2, "fear", 0.4, abstained="short"),
    ]
    state = SessionState()
    for event in came:
        state.apply(event)
    shown = list(events_on_screen(state))
    assert [rounded(msgspec.to_builtins(e)) for e in shown] == [rounded(msgspec.to_builtins(e)) for e in came]
    path = tmp_path / "screen.jsonl"
    from livemerc.events import encode

    path.write_bytes(b"".join(encode(event) + b"\n" for event in events_on_screen(state)))
    assert read(path).damaged == 0
