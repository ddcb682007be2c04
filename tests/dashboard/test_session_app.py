"""The screen that all sessions share: when it is drawn, and at what size."""

from __future__ import annotations

from helpers.dashboard import shown, talk, until, visible
from helpers.scripted_monitor import FakeClock, ScriptedGauges, ScriptedMonitor, conversation
from textual.events import Resize
from textual.geometry import Size

from livemerc.dashboard.app import DashboardApp
from livemerc.dashboard.palette import PALETTES
from livemerc.dashboard.panels.status_line import HeaderLine


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


async def test_the_theme_key_goes_round() -> None:
    app = DashboardApp(ScriptedMonitor(conversation()))
    async with app.run_test() as pilot:
        seen = [app.theme]
        for _ in PALETTES:
            await pilot.press("t")
            seen.append(app.theme)
    assert seen == ["dark", "light", "high-contrast", "dark"]
