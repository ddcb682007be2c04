"""Trouble takes the whole width."""

from __future__ import annotations

from helpers.dashboard import shown, until
from helpers.scripted_monitor import ScriptedGauges, ScriptedMonitor, conversation

from livemerc.dashboard.app import DashboardApp
from livemerc.dashboard.panels.status_line import TroubleBanner
from livemerc.events import MicState


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
