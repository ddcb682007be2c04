"""The running app: keys, ends, failures, redraws."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from helpers.dashboard import header, shown, talk, until, visible
from helpers.scripted_monitor import (
    FakeClock,
    ScriptedGauges,
    ScriptedMonitor,
    conversation,
    emotion,
    end,
    final,
    start,
)
from textual.events import Resize
from textual.geometry import Region, Size
from textual.scrollbar import ScrollBar
from textual.widgets import Static

from livemerc.dashboard import terminal_app
from livemerc.dashboard.app import DashboardApp
from livemerc.dashboard.keys import key_help
from livemerc.dashboard.palette import PALETTES
from livemerc.dashboard.panels.bars import NowPanel
from livemerc.dashboard.panels.key_line import KeyLine
from livemerc.dashboard.panels.panel import Panel
from livemerc.dashboard.panels.status_line import HeaderLine, TroubleBanner
from livemerc.dashboard.panels.timeline import CoursePanel
from livemerc.dashboard.panels.transcript import Transcript
from livemerc.dashboard.screens.help import HelpScreen
from livemerc.errors import MicrophoneError
from livemerc.events import Event, MicState


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


async def test_it_follows_the_end_until_someone_scrolls_up_and_again_on_f() -> None:
    monitor = ScriptedMonitor(talk(60))
    app = DashboardApp(monitor)
    async with app.run_test(size=(80, 24)) as pilot:
        transcript = await shown(pilot, app, monitor)
        assert "utterance number 60" in visible(transcript)
        await pilot.press("up")
        await pilot.pause()
        assert "utterance number 60" not in visible(transcript)
        assert not transcript.follow
        assert "f follows" in header(app)
        app.state.apply(final(61, 300.0, 301.0, "utterance number 61"))
        app.redraw()
        await pilot.pause()
        assert "utterance number 61" not in visible(transcript)
        await pilot.press("f")
        await pilot.pause()
        assert "utterance number 61" in visible(transcript)
        assert "f follows" not in header(app)


async def test_what_someone_reads_stays_in_place_when_the_size_changes() -> None:
    events = [start()]
    for n in range(1, 80):
        events += [final(n, n * 3.0, n * 3.0 + 2, f"number {n} " + "and so it goes on " * (n % 7), "Ann")]
    monitor = ScriptedMonitor(events)
    app = DashboardApp(monitor)
    async with app.run_test(size=(150, 40)) as pilot:
        transcript = await shown(pilot, app, monitor)
        await pilot.press("home", "pagedown")
        await pilot.pause()
        read = transcript.render_line(0).text.split("number ")[1].split()[0]
        for width, height in ((60, 20), (90, 30), (200, 60)):
            await pilot.resize_terminal(width, height)
            # the screen is laid out for the new size a message later than it has it
            await until(pilot, lambda: f"number {read} " in transcript.render_line(0).text)
            assert not transcript.follow


@pytest.mark.parametrize("count", [2, 4, 11])
async def test_any_number_of_labels_of_a_users_own_checkpoint_is_shown(count: int) -> None:
    labels = [f"feel{n}" for n in range(count)]
    monitor = ScriptedMonitor([start(labels=labels)])
    app = DashboardApp(monitor)
    async with app.run_test(size=(100, 24)) as pilot:
        await shown(pilot, app, monitor)
        now = app.query_one(NowPanel)
        seen = "\n".join(now.render_line(y).text for y in range(now.size.height))
        assert all(label in seen for label in labels)


async def test_a_screen_drawn_between_a_dropped_utterance_and_the_next_measure_is_whole() -> None:
    monitor = ScriptedMonitor(talk(5))
    app = DashboardApp(monitor)
    async with app.run_test(size=(80, 24)) as pilot:
        transcript = await shown(pilot, app, monitor)
        before = visible(transcript)
        app.state.utterances.pop()  # as when an open utterance comes to nothing; the rows are still those of before
        after = visible(transcript)
        assert "number 4" in after
        assert len(after) == len(before)


async def test_scroll_keys_reach_both_ends() -> None:
    monitor = ScriptedMonitor(talk(60))
    app = DashboardApp(monitor)
    async with app.run_test(size=(80, 24)) as pilot:
        transcript = await shown(pilot, app, monitor)
        bottom = transcript.scroll_y
        await pilot.press("pageup")
        await pilot.pause()
        assert bottom - transcript.scroll_y >= transcript.size.height - 2
        await pilot.press("pagedown", "down")
        await pilot.pause()
        assert transcript.scroll_y == bottom
        assert transcript.follow
        await pilot.press("home")
        await pilot.pause()
        assert transcript.scroll_y == 0
        assert "No diagnosis" in visible(transcript)
        await pilot.press("end")
        await pilot.pause()
        assert transcript.scroll_y == bottom


async def test_the_theme_key_goes_round() -> None:
    app = DashboardApp(ScriptedMonitor(conversation()))
    async with app.run_test() as pilot:
        seen = [app.theme]
        for _ in PALETTES:
            await pilot.press("t")
            seen.append(app.theme)
    assert seen == ["dark", "light", "high-contrast", "dark"]


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_help_opens_and_closes_and_can_be_left_from(key: str) -> None:
    monitor = ScriptedMonitor(conversation())
    app = DashboardApp(monitor)
    async with app.run_test() as pilot:
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape")
        assert not isinstance(app.screen, HelpScreen)
        await pilot.press("question_mark")
        await pilot.press(key)
        await until(pilot, lambda: app._exit)
    assert app.return_value == 0


async def test_the_help_and_the_palette_tell_every_key_that_does_something_and_no_other() -> None:
    monitor = ScriptedMonitor([*talk(3), end(12.0, 3)], ends=True)
    app = DashboardApp(monitor)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.ended)
        await shown(pilot, app, monitor)
        shown_keys = {b.action for _, b, enabled, _ in app.screen.active_bindings.values() if b.show and enabled}
        assert {"leave", "details", "search", "view", "next_theme", "help"} <= shown_keys
        assert not shown_keys & {"record", "inputs", "pause", "bookmark", "follow", "found(1)"}  # nothing to do there
        assert (
            len(key_help(app)) == len(shown_keys) == len(list(app.get_system_commands(app.screen))) + 1
        )  # the palette itself
        await pilot.press("question_mark")
        text = str(app.screen.query_one("#help", Static).render())
        assert all(what in text for _, what in key_help(app))


async def test_a_burst_of_events_causes_one_redraw_a_tenth_of_a_second() -> None:
    clock = FakeClock()
    monitor = ScriptedMonitor(talk(1000))
    app = DashboardApp(monitor, clock=clock, ticking=False)
    async with app.run_test() as pilot:
        await until(pilot, lambda: monitor.delivered.is_set() and not app.feed.waiting)
        assert len(app.state.utterances) == 1000
        assert app.redraws <= 1
        for _ in range(50):  # a second, in steps of 20 ms
            clock.now_s += 0.02
            app.on_session_app_arrived()
            app.tick()
        assert app.redraws <= 12
        assert app.redraws >= 9


async def test_nothing_is_drawn_again_while_nothing_changes() -> None:
    monitor = ScriptedMonitor(conversation(), gauges=ScriptedGauges(t_s=30.0, elapsed_s=30.0))
    app = DashboardApp(monitor, ticking=False)
    async with app.run_test() as pilot:
        await shown(pilot, app, monitor)
        for _ in range(60):
            app.redraw()  # the level strip has filled
        drawn = {id(panel): panel._lines for panel in app.arrangement.panels}
        app.redraw()
        assert all(panel._lines is drawn[id(panel)] for panel in app.arrangement.panels)


async def test_microphone_trouble_takes_the_whole_width_and_goes_when_it_is_over() -> None:
    monitor = ScriptedMonitor(
        conversation(), gauges=ScriptedGauges(mic=MicState(ok=False, why="the microphone is muted; unmute it"))
    )
    app = DashboardApp(monitor)
    async with app.run_test(size=(60, 20)) as pilot:
        await shown(pilot, app, monitor)
        banner = app.query_one(TroubleBanner)
        await until(pilot, lambda: banner.size.height > 0)
        strip = banner.render_line(0)
        assert "MICROPHONE: the microphone is muted; unmute it" in strip.text
        assert all(s.style is not None and s.style.bgcolor is not None for s in strip)
        monitor._gauges = ScriptedGauges(mic=MicState(ok=True))
        await until(pilot, lambda: not banner.display)


async def test_a_storm_of_sizes_breaks_nothing() -> None:
    monitor = ScriptedMonitor(talk(200))
    app = DashboardApp(monitor)
    async with app.run_test(size=(80, 24)) as pilot:
        transcript = await shown(pilot, app, monitor)
        for width, height in ((60, 20), (200, 60), (30, 8), (12, 4), (250, 70), (99, 27), (100, 28), (80, 24)):
            await pilot.resize_terminal(width, height)
            await pilot.pause()
        assert "utterance number 200" in visible(transcript)
        assert transcript.follow


@pytest.mark.parametrize("size", [(60, 20), (80, 24)])
async def test_the_footer_of_a_small_screen_tells_the_only_way_to_the_other_views(size: tuple[int, int]) -> None:
    monitor = ScriptedMonitor(conversation())
    app = DashboardApp(monitor)
    async with app.run_test(size=size) as pilot:
        await shown(pilot, app, monitor)
        assert " v View" in app.query_one(KeyLine).render_line(0).text


async def test_long_names_are_cut_visibly_and_speakers_without_a_row_are_counted() -> None:
    names = [f"Professor Number {letter}" for letter in "ABCDEFGHIJKL"]
    said = [
        event for n, name in enumerate(names) for event in (final(n, n, n + 1, "yes", name), emotion(n, "joy", 0.6))
    ]
    monitor = ScriptedMonitor([start(), *said])
    app = DashboardApp(monitor)
    async with app.run_test(size=(120, 40)) as pilot:
        transcript, course = await shown(pilot, app, monitor), app.query_one(CoursePanel)
        assert "Professor… yes" in transcript.render_line(1).text
        rows = sum("Professor" in course.render_line(y).text for y in range(course.size.height))
        assert 0 < rows < 12
        assert f"{rows} of 12 speakers" in course.render_line(0).text
        await pilot.resize_terminal(200, 60)
        await pilot.pause()
        assert "Professor Number A" in transcript.render_line(1).text


async def test_every_colour_is_a_true_one_so_that_no_filter_has_to_make_it_one() -> None:
    monitor = ScriptedMonitor(conversation())
    app = DashboardApp(monitor)
    async with app.run_test(size=(120, 40)) as pilot:
        for _ in PALETTES:
            await shown(pilot, app, monitor)
            for widget in (app.query_one(Transcript), *(panel for panel in app.query(Panel) if panel.display)):
                styles = [s.style for strip in widget.render_lines(widget.size.region) for s in strip if s.style]
                assert styles
                for style in styles:
                    assert all(colour is None or colour.triplet for colour in (style.color, style.bgcolor))
                    assert not style.dim
            await pilot.press("t")


async def test_after_a_change_of_size_every_panel_is_drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that say the same as before were drawn for another width: on a terminal what stood there would stay."""
    monitor = ScriptedMonitor(talk(5))
    app = DashboardApp(monitor)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, app, monitor)
        drawn: list[tuple[object, tuple[Region, ...]]] = []
        refresh = Panel.refresh

        def remembered(panel: Panel, *regions: Region, **options: Any) -> Any:
            drawn.append((panel, regions))
            return refresh(panel, *regions, **options)

        monkeypatch.setattr(Panel, "refresh", remembered)
        for width, height in ((100, 40), (120, 40)):
            drawn.clear()
            await pilot.resize_terminal(width, height)
            header = app.query_one(HeaderLine)
            await until(pilot, lambda header=header: (header, ()) in drawn)
            for panel in app.query(Panel):
                if panel.display and panel.size:
                    rows = panel.render_lines(Region(0, 0, panel.size.width, panel.size.height))
                    assert {row.cell_length for row in rows} == {panel.size.width}


async def test_a_new_size_that_a_late_timer_never_told_is_noticed() -> None:
    """On a busy machine Textual's timer for it can end without having fired."""
    monitor = ScriptedMonitor(talk(5))
    app = DashboardApp(monitor)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, app, monitor)
        app._resize_timer = app.set_timer(3600.0, lambda: None)  # there, so that no other is set, and never fires
        app.post_message(Resize(Size(80, 24), Size(80, 24)))
        await until(pilot, lambda: app.size == Size(80, 24))
        app.tick()
        await until(pilot, lambda: app.screen.outer_size == Size(80, 24))
        assert app.query_one(HeaderLine).size.width == 80


async def test_the_scroll_bar_is_drawn_where_it_moved_and_as_textual_draws_it() -> None:
    events = [final(number, number, number + 0.5, "words") for number in range(400)]
    monitor = ScriptedMonitor([start(), *events])
    app = DashboardApp(monitor, clock=FakeClock(), ticking=False)
    async with app.run_test(size=(100, 30)) as pilot:
        while len(app.state.utterances) < 400:
            app.tick()
            await pilot.pause(0.02)
        app.redraw()
        await pilot.pause()
        bar = app.query_one(Transcript).vertical_scrollbar
        ends = bar.render_lines(bar.size.region)
        assert [row.text for row in ends] == [row.text for row in ScrollBar.render_lines(bar, bar.size.region)]
        await pilot.press("up")
        await pilot.pause()
        one_up = bar.render_lines(bar.size.region)
        assert sum(a is not b for a, b in zip(ends, one_up, strict=True)) <= 2
        await pilot.press("home")
        await pilot.pause()
        top = bar.render_lines(bar.size.region)
        assert [row.text for row in top] == [row.text for row in ScrollBar.render_lines(bar, bar.size.region)]
        assert top[0] is not ends[0]
        assert top[-1] is not ends[-1]
