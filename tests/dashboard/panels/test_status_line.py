"""Trouble takes the whole width."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from helpers.dashboard import shown, until
from helpers.scripted_monitor import ScriptedGauges, ScriptedMonitor, conversation

from livemerc.dashboard.app import DashboardApp
from livemerc.dashboard.panels.status_line import StatusLine, TroubleBanner
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


@pytest.mark.parametrize("size", [(60, 20), (80, 24)])
@pytest.mark.parametrize(
    ("voice", "told"),
    [
        ({"purpose": "work", "text_only": True}, "work: words alone"),
        ({"purpose": "education", "text_only": True}, "education: words alone"),
        ({"purpose": "personal", "text_only": False}, "personal: words, voices"),
        ({"purpose": "care", "text_only": False, "judge_voice_of": ["me"]}, "care: voice of me"),
    ],
)
async def test_what_it_is_for_and_whose_voice_is_judged_is_always_there(
    size: tuple[int, int], voice: dict[str, Any], told: str
) -> None:
    (first, *others) = conversation()
    monitor = ScriptedMonitor([msgspec.structs.replace(first, **voice), *others])
    monitor.recording = "rec + audio"
    app = DashboardApp(monitor)
    async with app.run_test(size=size) as pilot:
        await shown(pilot, app, monitor)
        line = app.query_one(StatusLine)
        assert line.display
        assert any(told in line.render_line(row).text for row in range(line.size.height))


async def test_of_an_older_recording_nothing_is_claimed() -> None:
    monitor = ScriptedMonitor(conversation())
    app = DashboardApp(monitor)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot, app, monitor)
        line = app.query_one(StatusLine)
        assert not any("voice" in line.render_line(row).text for row in range(line.size.height))
