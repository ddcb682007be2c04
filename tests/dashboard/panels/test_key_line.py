"""The footer: what stands there on a small screen, and that a click presses it."""

from __future__ import annotations

import pytest
from helpers.dashboard import shown, until, visible
from helpers.scripted_monitor import ScriptedMonitor, conversation

from livemerc.dashboard.app import DashboardApp
from livemerc.dashboard.panels.key_line import KeyLine


@pytest.mark.parametrize("size", [(60, 20), (80, 24)])
async def test_the_footer_of_a_small_screen_tells_the_only_way_to_the_other_views(size: tuple[int, int]) -> None:
    monitor = ScriptedMonitor(conversation())
    app = DashboardApp(monitor)
    async with app.run_test(size=size) as pilot:
        await shown(pilot, app, monitor)
        assert " v View" in app.query_one(KeyLine).render_line(0).text


async def test_a_click_on_a_key_of_the_footer_presses_it() -> None:
    monitor = ScriptedMonitor(conversation())
    app = DashboardApp(monitor)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, app, monitor)
        keys = app.query_one(KeyLine)
        assert keys.render_line(0).text.rstrip().endswith("? Help")
        await pilot.click(KeyLine, offset=(visible(keys).index("Theme"), 0))
        await until(pilot, lambda: app.theme == "light")
        await pilot.press("slash")
        await until(pilot, lambda: "Esc forget it" in visible(keys))
