"""The live screen: how it ends, what it does to the monitor, and how it fails."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from helpers.dashboard import header, shown, talk, until, visible
from helpers.scripted_monitor import ScriptedGauges, ScriptedMonitor, conversation, end, final

from livemerc.dashboard import terminal_app
from livemerc.dashboard.app import DashboardApp
from livemerc.dashboard.panels.status_line import StatusLine, TroubleBanner
from livemerc.dashboard.panels.timeline import CoursePanel
from livemerc.errors import MicrophoneError
from livemerc.events import Event


@pytest.mark.parametrize("key", ["q", "ctrl+c", "ctrl+q"])
async def test_leaving_finishes_the_last_utterance_first(key: str) -> None:
    monitor = ScriptedMonitor(conversation(), last_words=[final(8, 25.0, 26.0, "never"), end(26.0, 8)])
    app = DashboardApp(monitor)
    async with app.run_test() as pilot:
        await shown(pilot, app, monitor)
        await pilot.press(key)
        await until(pilot, lambda: app.ended)
    assert (app.return_value, app.failure) == (0, None)
    assert monitor.stopped.is_set()
    assert app.state.utterances[-1].text == "never"
    assert app.state.end is not None
    assert not app.feed._thread.is_alive()


class Stubborn(ScriptedMonitor):
    """Its last utterance takes for ever."""

    def __init__(self) -> None:
        super().__init__(conversation())
        self.released = threading.Event()

    def events(self) -> Iterator[Event]:
        yield from super().events()
        self.released.wait(30)


async def test_while_it_finishes_it_says_so_and_a_second_ctrl_c_leaves_at_once() -> None:
    monitor = Stubborn()
    app = DashboardApp(monitor)
    async with app.run_test() as pilot:
        await shown(pilot, app, monitor)
        await pilot.press("q")
        await until(pilot, lambda: "finishing the last utterance..." in header(app))
        assert app.is_running
        await pilot.press("ctrl+c")
    assert app.return_value == 130
    monitor.released.set()


async def test_a_closed_terminal_that_is_told_twice_leaves_time_for_the_end() -> None:
    monitor = Stubborn()
    app = DashboardApp(monitor)
    async with app.run_test() as pilot:
        await shown(pilot, app, monitor)
        app.hang_up()
        app.hang_up()  # kernel, shell and terminal all tell
        await until(pilot, lambda: "finishing the last utterance..." in header(app))
        assert app.is_running
        monitor.released.set()
        await until(pilot, lambda: not app.is_running)
    assert app.return_value == 0


async def test_a_finished_file_stays_on_the_screen_until_q() -> None:
    monitor = ScriptedMonitor([*talk(3), end(12.0, 3)], ends=True)
    app = DashboardApp(monitor)
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.ended)
        await until(pilot, lambda: "finished" in header(app))
        assert app.is_running
        await pilot.press("q")
    assert app.return_value == 0


async def test_with_exit_at_end_it_leaves_by_itself() -> None:
    app = DashboardApp(ScriptedMonitor([*talk(2), end(9.0, 2)], ends=True), exit_at_end=True)
    async with app.run_test() as pilot:
        await until(pilot, lambda: not app.is_running or app._exit)
    assert app.return_value == 0


async def test_a_failure_of_the_monitor_ends_the_app_and_is_kept_for_the_caller() -> None:
    failure = MicrophoneError("No microphone is connected; connect one.")
    app = DashboardApp(ScriptedMonitor(talk(1), failure=failure))
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.failure is not None)
    assert app.failure is failure


def test_run_dashboard_raises_what_the_monitor_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import nullcontext

    from livemerc.dashboard import run_dashboard

    def headless(self: DashboardApp) -> int | None:
        return asyncio.run(self.run_async(headless=True, size=(80, 24)))

    monkeypatch.setattr(terminal_app, "own_terminal", nullcontext)
    monkeypatch.setattr(DashboardApp, "run", headless)
    failure = MicrophoneError("No microphone is connected; connect one.")
    with pytest.raises(MicrophoneError, match="connect one"):
        run_dashboard(ScriptedMonitor(talk(1), failure=failure))
    assert run_dashboard(ScriptedMonitor([*talk(1), end(5, 1)], ends=True), exit_at_end=True) == 0


async def test_a_pause_says_that_nothing_is_heard_and_ends() -> None:
    monitor = ScriptedMonitor(conversation())
    app = DashboardApp(monitor)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot, app, monitor)
        await pilot.press("space")
        assert monitor.paused
        banner = app.query_one(TroubleBanner)
        await until(pilot, lambda: "PAUSED: nothing is being heard. Space goes on." in visible(banner))
        assert "paused, nothing is heard" in header(app)
        assert "DEGRADED" not in visible(banner)  # it is what somebody wished
        await pilot.press("space")
        await until(pilot, lambda: not banner.display)
        assert not monitor.paused


async def test_a_recording_goes_on_and_off_with_its_key() -> None:
    monitor = ScriptedMonitor(conversation())
    app = DashboardApp(monitor)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, app, monitor)
        await pilot.press("r")
        assert app.state.recording == "rec"
        await pilot.press("r")
        assert app.state.recording is None


async def test_a_live_session_shows_that_it_is_recorded() -> None:
    class Recorded(ScriptedMonitor):
        recording: str | None = "rec + audio"
        recording_folder = None

        def toggle_recording(self) -> str:
            self.recording = None if self.recording else "rec"
            return f"Recording [b]{'to' if self.recording else 'ended'}[/b] here"

    monitor = Recorded(conversation())
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


async def test_a_mark_is_kept_by_the_monitor_and_stands_in_the_transcript_and_on_the_course() -> None:
    monitor = ScriptedMonitor(conversation(), gauges=ScriptedGauges(t_s=27.4, elapsed_s=27.4))
    app = DashboardApp(monitor)
    async with app.run_test(size=(120, 40)) as pilot:
        transcript = await shown(pilot, app, monitor)
        await pilot.press("b")
        await until(pilot, lambda: len(monitor.bookmarks) == 1)
        assert monitor.bookmarks[0].t_s == pytest.approx(27.4)
        await pilot.press("enter", *["up"] * 6, "b")
        await until(pilot, lambda: len(monitor.bookmarks) == 2)
        assert monitor.bookmarks[1].t_s == pytest.approx(2.9)  # of the utterance selected
        app.redraw()
        await pilot.pause()
        marked = [line for line in visible(transcript).splitlines() if "★" in line]
        assert [line[1:6] for line in marked] == ["00:02", "00:25"]
        assert visible(app.query_one(CoursePanel)).count("★") == 2
