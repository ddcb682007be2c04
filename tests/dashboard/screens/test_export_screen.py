"""The key that writes a session to a file: the recorded one, else what stands on the screen."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.dashboard import shown, until
from helpers.scripted_monitor import ScriptedMonitor, conversation, final, start
from helpers.sessions import conversation as recorded
from helpers.sessions import write_session
from textual.widgets import Input, OptionList, Static

from livemerc.dashboard.app import DashboardApp
from livemerc.dashboard.screens.export import _KINDS, ExportScreen
from livemerc.export import FORMATS, export


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_format_of_the_command_is_offered() -> None:
    assert set(_KINDS) == {*FORMATS, "html"}


async def test_what_stands_on_the_screen_is_written_where_nothing_is_recorded(tmp_path: Path) -> None:
    monitor = ScriptedMonitor(conversation())
    app = DashboardApp(monitor)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot, app, monitor)
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, ExportScreen))
        assert "what stands on the screen" in str(app.screen.query_one("#export-what", Static).render())
        await until(pilot, lambda: app.screen.query_one(Input).value == "livemerc-2026-01-02T03-04-05.vtt")
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(app.screen, ExportScreen))
    written = (tmp_path / "livemerc-2026-01-02T03-04-05.vtt").read_text()
    assert "<v Ann>" in written
    assert "everybody else did" in written
    assert "not for a" not in written  # is still being said


async def test_the_session_that_is_recorded_is_written_in_the_format_and_to_the_file_chosen(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "meeting", recorded(4))
    monitor = ScriptedMonitor(conversation())
    monitor.recording, monitor.recording_folder = "rec", folder
    app = DashboardApp(monitor)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot, app, monitor)
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, ExportScreen))
        await pilot.press("down", "down")
        await until(pilot, lambda: app.screen.query_one(Input).value == "meeting.csv")
        await pilot.press("tab")
        app.screen.query_one(Input).value = "table.csv"
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(app.screen, ExportScreen))
    assert (tmp_path / "table.csv").read_bytes() == export(folder, "csv").data


async def test_a_file_that_is_there_is_not_overwritten_and_the_screen_says_so(tmp_path: Path) -> None:
    there = tmp_path / "livemerc-2026-01-02T03-04-05.vtt"
    there.write_text("mine")
    monitor = ScriptedMonitor(conversation())
    app = DashboardApp(monitor)
    async with app.run_test(size=(60, 20)) as pilot:
        await shown(pilot, app, monitor)
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, ExportScreen))
        await pilot.pause()
        await pilot.press("enter")
        note = app.screen.query_one("#export-note", Static)
        await until(pilot, lambda: "exists already" in str(note.render()))
        await pilot.press("escape")
        assert not isinstance(app.screen, ExportScreen)
    assert there.read_text() == "mine"


async def test_while_nothing_was_said_there_is_no_such_key() -> None:
    monitor = ScriptedMonitor([start()])
    app = DashboardApp(monitor)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, app, monitor)
        await pilot.press("e")
        assert not isinstance(app.screen, ExportScreen)
        app.state.apply(final(1, 1, 2, "now"))
        app.redraw()
        await pilot.pause()
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, ExportScreen))
        assert app.screen.query_one(OptionList).has_focus
