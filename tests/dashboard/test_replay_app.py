"""A recorded session on the very same screen: keys, seeks, and that a seek shows what playing there shows."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from helpers.scripted_monitor import FakeClock
from helpers.sessions import HOSTILE, conversation, write_session

from livemerc.dashboard.panels.key_line import KeyLine
from livemerc.dashboard.panels.status_line import HeaderLine, StatusLine
from livemerc.dashboard.panels.transcript import Transcript
from livemerc.dashboard.replay_app import ReplayApp
from livemerc.dashboard.screens.help import HelpScreen
from livemerc.dashboard.state import history as history_module
from livemerc.dashboard.state.history import History
from livemerc.dashboard.state.session import SessionState
from livemerc.events import Event
from livemerc.sessions.player import Player


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


def replaying(tmp_path: Path, utterances: int = 30) -> tuple[ReplayApp, FakeClock]:
    clock = FakeClock()
    player = Player(write_session(tmp_path / "s", conversation(utterances)), clock=clock)
    return ReplayApp(player, clock=clock, ticking=False), clock


def rows(app: ReplayApp) -> str:
    transcript = app.query_one(Transcript)
    return "\n".join(transcript.render_line(y).text for y in range(transcript.size.height))


def header(app: ReplayApp) -> str:
    return app.query_one(HeaderLine).render_line(0).text


async def test_it_plays_pauses_seeks_and_changes_its_pace(tmp_path: Path) -> None:
    app, clock = replaying(tmp_path)
    async with app.run_test(size=(100, 30)) as pilot:
        clock.now_s += 25.0
        app.tick()
        await pilot.pause()
        assert "► replay 1x  00:25 / 05:00" in header(app)
        assert [u.utterance_id for u in app.state.utterances] == ["u1", "u2", "u3"]
        assert "words 3" in rows(app)
        await pilot.press("space")
        clock.now_s += 100.0
        app.tick()
        assert "‖ paused" in header(app)
        assert "00:25 /" in header(app)
        await pilot.press("space", "right", "right", "]")
        assert "01:45 /" in header(app)
        assert "words 11" in rows(app)
        await pilot.press("left", "[", "shift+left")
        assert "00:00 /" in header(app)
        assert "words" not in rows(app)
        await pilot.press("plus", "plus")
        clock.now_s += 10.0
        app.tick()
        assert "5x  00:50 /" in header(app)
        await pilot.press("minus", "minus", "minus", "minus")
        assert "0.5x" in header(app)
        for _ in range(5):
            await pilot.press("]")
        assert "■ end" in header(app)
        assert app.state.phase == "finished"
        await pilot.press("left")
        assert "► replay" in header(app)
        assert app.state.phase == "live"
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape", "q")
    assert app.return_value == 0


async def test_from_opens_in_the_middle(tmp_path: Path) -> None:
    clock = FakeClock()
    player = Player(write_session(tmp_path / "s", conversation(30)), begin_s=150.0, clock=clock)
    app = ReplayApp(player, clock=clock, ticking=False)
    async with app.run_test(size=(80, 24)) as pilot:
        app.redraw()
        await pilot.pause()
        assert "02:30 / 05:00" in header(app)
        assert "words 15" in rows(app)
        assert "words 16" not in rows(app)


async def test_an_empty_session_opens(tmp_path: Path) -> None:
    app = ReplayApp(Player(write_session(tmp_path / "s", [])), ticking=False)
    async with app.run_test() as pilot:
        app.tick()
        await pilot.press("right", "left", "space")
        assert "00:00 / 00:00" in header(app)


async def test_hostile_words_steer_nothing(tmp_path: Path) -> None:
    app = ReplayApp(Player(write_session(tmp_path / "s", conversation(3, text=HOSTILE)), begin_s=30.0), ticking=False)
    async with app.run_test(size=(150, 30)) as pilot:
        app.redraw()
        await pilot.pause()
        shown = rows(app)
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "-->" in shown


async def test_a_live_session_shows_that_it_is_recorded() -> None:
    from helpers.scripted_monitor import ScriptedMonitor
    from helpers.scripted_monitor import conversation as live

    from livemerc.dashboard.app import DashboardApp

    class Recorded(ScriptedMonitor):
        recording: str | None = "rec + audio"
        recording_folder = None

        def toggle_recording(self) -> str:
            self.recording = None if self.recording else "rec"
            return f"Recording [b]{'to' if self.recording else 'ended'}[/b] here"

    monitor = Recorded(live())
    app = DashboardApp(monitor, ticking=False)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.pause()
        app.tick()
        app.redraw()
        status = app.query_one(StatusLine)
        assert "● rec + audio" in status.render_line(0).text
        await pilot.press("r")
        app.redraw()
        assert "rec" not in status.render_line(0).text
        await pilot.press("r")
        app.redraw()
        assert "● rec" in status.render_line(0).text
        said = [notification.message for notification in app._notifications]
        assert [text.split()[1] for text in said] == ["[b]ended[/b]", "[b]to[/b]"]


async def test_what_is_over_cannot_be_recorded_and_has_no_key_for_it(tmp_path: Path) -> None:
    app, _ = replaying(tmp_path)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("r")
        assert "record" not in {binding.binding.action for binding in app.screen.active_bindings.values()}


@pytest.mark.parametrize("size", [(60, 20), (80, 24)])
async def test_the_footer_of_a_small_screen_tells_how_to_seek_and_to_see_the_rest(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    app, _ = replaying(tmp_path)
    async with app.run_test(size=size) as pilot:
        app.tick()
        await pilot.pause()
        footer = app.query_one(KeyLine).render_line(0).text
        assert all(key in footer for key in ("Space Pause", "Seek", "v View", "? Help"))
