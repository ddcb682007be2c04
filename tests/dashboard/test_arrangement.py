"""Which view stands where, by size."""

from __future__ import annotations

from helpers.dashboard import shown
from helpers.scripted_monitor import ScriptedMonitor, conversation

from livemerc.dashboard.app import DashboardApp


async def test_the_view_of_a_narrow_screen_goes_round_and_all_fit_on_a_huge_one() -> None:
    monitor = ScriptedMonitor(conversation())
    app = DashboardApp(monitor)
    names = ("now", "course", "summary", "health")
    async with app.run_test(size=(60, 20)) as pilot:
        await shown(pilot, app, monitor)
        seen = []
        for _ in range(5):
            seen.append([name for name in names if app.query_one(f"#{name}").display])
            await pilot.press("v")
        assert seen == [["now"], ["course"], ["summary"], ["health"], ["now"]]
        await pilot.resize_terminal(200, 60)
        await pilot.pause()
        app.redraw()
        await pilot.pause()
        assert all(app.query_one(f"#{name}").display for name in names)
        assert "v" not in {b.key for _, b, enabled, _ in app.screen.active_bindings.values() if enabled}
