"""The notice on the screen: what those who are listened to are shown, and that the recording keeps when."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from helpers.dashboard import shown
from helpers.scripted_monitor import ScriptedMonitor, conversation
from textual.widgets import Static

from livemerc.dashboard.app import DashboardApp
from livemerc.dashboard.screens.notice import NoticeScreen


@pytest.mark.parametrize(
    ("voice", "recording", "words"),
    [
        ({"purpose": "work", "text_only": True}, "rec", "it infers nothing from how you sound"),
        ({"purpose": "personal", "text_only": False}, None, "from how your voice sounds"),
        ({"purpose": "personal", "text_only": False, "voiceprints": 2}, None, "agreed to be known by theirs"),
        ({"purpose": "care", "text_only": False, "judge_voice_of": ["me"]}, "rec + audio", "called “me”"),
    ],
)
async def test_it_tells_what_happens_to_the_voice_and_what_is_kept(
    voice: dict[str, Any], recording: str | None, words: str
) -> None:
    (first, *others) = conversation()
    monitor = ScriptedMonitor([msgspec.structs.replace(first, **voice), *others])
    monitor.recording = recording
    app = DashboardApp(monitor)
    async with app.run_test(size=(80, 40)) as pilot:
        await shown(pilot, app, monitor)
        await pilot.press("i")
        assert isinstance(app.screen, NoticeScreen)
        told = str(app.screen.query_one("#notice", Static).content)
        assert words in told
        assert ("Nothing is being recorded" in told) == (recording is None)
        assert ("the sound are kept" in told) == (recording == "rec + audio")
        await pilot.press("escape")
        assert not isinstance(app.screen, NoticeScreen)
    assert monitor.notices_shown == 1


async def test_there_is_none_while_nobody_knows_whose_voice_is_judged() -> None:
    monitor = ScriptedMonitor(conversation())
    app = DashboardApp(monitor)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot, app, monitor)
        await pilot.press("i")
        assert not isinstance(app.screen, NoticeScreen)
    assert monitor.notices_shown == 0
