"""The transcript's scroll bar."""

from __future__ import annotations

from helpers.scripted_monitor import FakeClock, ScriptedMonitor, final, start
from textual.scrollbar import ScrollBar

from livemerc.dashboard.app import DashboardApp
from livemerc.dashboard.panels.transcript import Transcript


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
