"""What the tests of the dashboard share: waiting for it, and reading what stands on it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from helpers.scripted_monitor import ScriptedMonitor, emotion, final, start
from textual.pilot import Pilot
from textual.widgets import Static

from livemerc.dashboard.panels.panel import Panel
from livemerc.dashboard.panels.status_line import HeaderLine
from livemerc.dashboard.panels.transcript import Transcript
from livemerc.dashboard.session_app import SessionApp
from livemerc.dashboard.state.session import SessionState
from livemerc.events import Event


async def until(pilot: Pilot[int], condition: Callable[[], bool]) -> None:
    """Waits for it; the test fails where it does not happen within 5 s."""
    for _ in range(500):
        if condition():
            return
        await pilot.pause(0.01)
    pytest.fail("it did not happen within 5 s")


def talk(count: int) -> list[Event]:
    """As many utterances, each judged once."""
    events: list[Event] = [start()]
    for n in range(1, count + 1):
        events += [final(n, n * 3.0, n * 3.0 + 2, f"utterance number {n}", "Ann"), emotion(n, "joy", 0.6)]
    return events


async def shown(pilot: Pilot[int], app: SessionApp, monitor: ScriptedMonitor) -> Transcript:
    """The transcript, once all events of `monitor` are drawn."""
    await until(pilot, lambda: monitor.delivered.is_set() and not app.feed.waiting)
    app.tick()
    app.redraw()  # a tick draws only where the last drawing is a tenth of a second ago
    await pilot.pause()
    return app.query_one(Transcript)


def visible(widget: Panel | Transcript) -> str:
    """The rows of a widget as they stand on the screen."""
    return "\n".join(widget.render_line(y).text for y in range(widget.size.height))


def header(app: SessionApp) -> str:
    return app.query_one(HeaderLine).render_line(0).text


async def details(pilot: Pilot[int], app: SessionApp, what: str) -> str:
    """What the detail screen shows, once that has `what`."""

    def text() -> str:
        return "".join(str(part.render()) for part in app.screen.query("#detail-text").results(Static))

    await until(pilot, lambda: what in text())
    return text()


def state_after(*events: Event) -> SessionState:
    state = SessionState()
    for event in events:
        state.apply(event)
    return state
