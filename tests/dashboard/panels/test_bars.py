"""The bars of the newest utterance."""

from __future__ import annotations

import pytest
from helpers.dashboard import shown
from helpers.scripted_monitor import ScriptedMonitor, start

from livemerc.dashboard.app import DashboardApp
from livemerc.dashboard.panels.bars import NowPanel


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
