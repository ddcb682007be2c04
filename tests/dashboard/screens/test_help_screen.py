"""The help opens, closes, and can be left from."""

from __future__ import annotations

import pytest
from helpers.dashboard import until
from helpers.scripted_monitor import ScriptedMonitor, conversation

from livemerc.dashboard.app import DashboardApp
from livemerc.dashboard.screens.help import HelpScreen


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
