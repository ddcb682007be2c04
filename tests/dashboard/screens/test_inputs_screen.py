"""The key `m`: another input for the session that goes on."""

from __future__ import annotations

import msgspec
import pytest
from helpers.dashboard import shown
from helpers.scripted_monitor import ScriptedMonitor, start

from livemerc.audio.microphone.devices import InputDevice
from livemerc.dashboard.app import DashboardApp
from livemerc.dashboard.panels.key_line import KeyLine
from livemerc.dashboard.screens.help import HelpScreen
from livemerc.dashboard.screens.inputs import InputsScreen
from livemerc.errors import MicrophoneError

INPUTS = [
    InputDevice(0, "Desk", "ALSA", 48_000, 1, default=True, monitor=False),
    InputDevice(3, "Headset", "ALSA", 16_000, 1, default=False, monitor=False),
    InputDevice(4, "Headset", "ALSA", 16_000, 1, default=False, monitor=False),
    InputDevice(7, "Monitor of [Hall]", "PulseAudio", 44_100, 2, False, True, pulse="hall.monitor", opens=1),
]


class ScriptedMicrophone:
    name = "mic:Desk"

    def __init__(self) -> None:
        self.chosen: list[str | int] = []
        self.refuses = False

    def switch(self, device: str | int) -> None:
        if self.refuses:
            raise MicrophoneError("'Desk' cannot be opened; close other programs.")
        self.chosen.append(device)
        self.name = f"mic:{device}"


class MonitorOfMicrophone(ScriptedMonitor):
    def __init__(self) -> None:
        super().__init__(source=ScriptedMicrophone())


@pytest.fixture(autouse=True)
def _inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livemerc.audio.microphone.devices.inputs_now", lambda: INPUTS)


def footer(app: DashboardApp) -> set[str]:
    app.query_one(KeyLine)
    return {binding.binding.key for binding in app.active_bindings.values() if binding.binding.show}


async def listed(pilot, app: DashboardApp) -> None:
    await pilot.press("m")
    assert isinstance(app.screen, InputsScreen)
    for _ in range(200):
        await pilot.pause(0.01)
        if app.screen.query_one("OptionList").option_count:
            return
    raise AssertionError("no input was listed")


@pytest.mark.parametrize(
    ("keys", "device"), [(["down"], 3), (["down", "down"], 4), (["up"], "hall.monitor"), ([], "Desk")]
)
async def test_enter_listens_to_the_input_that_is_marked(keys: list[str], device: str | int) -> None:
    monitor = MonitorOfMicrophone()
    app = DashboardApp(monitor)
    async with app.run_test() as pilot:
        await listed(pilot, app)
        await pilot.press(*keys, "enter")
        for _ in range(200):
            await pilot.pause(0.01)
            if monitor.source.chosen:
                break
        assert monitor.source.chosen == [device]
        assert not isinstance(app.screen, InputsScreen)


async def test_escape_changes_nothing_and_q_leaves_from_the_list_too() -> None:
    monitor = MonitorOfMicrophone()
    app = DashboardApp(monitor)
    async with app.run_test() as pilot:
        await listed(pilot, app)
        await pilot.press("escape")
        assert not isinstance(app.screen, InputsScreen)
        await listed(pilot, app)
        await pilot.press("q")
        assert monitor.source.chosen == []
        for _ in range(200):
            await pilot.pause(0.01)
            if monitor.stops:
                break
        assert monitor.stops


async def test_an_input_that_cannot_be_opened_is_said_and_the_session_goes_on() -> None:
    monitor = MonitorOfMicrophone()
    monitor.source.refuses = True
    app = DashboardApp(monitor)
    async with app.run_test() as pilot:
        await listed(pilot, app)
        await pilot.press("enter")
        for _ in range(200):
            await pilot.pause(0.01)
            if app._notifications:
                break
        assert "cannot be opened" in next(notification.message for notification in app._notifications)
        assert app.is_running
        assert not monitor.stops


async def test_the_key_is_there_only_with_a_microphone() -> None:
    for monitor, there in ((MonitorOfMicrophone(), True), (ScriptedMonitor(), False)):
        app = DashboardApp(monitor)
        async with app.run_test() as pilot:
            assert ("m" in footer(app)) == there
            await pilot.press("question_mark")
            assert isinstance(app.screen, HelpScreen)
            assert ("another microphone" in str(app.screen.query_one("#help").render())) == there
            await pilot.press("escape", "m")
            assert isinstance(app.screen, InputsScreen) == there


async def test_a_session_that_judges_the_voice_of_a_microphone_keeps_that_microphone() -> None:
    monitor = MonitorOfMicrophone()
    voice = {"purpose": "personal", "text_only": False, "judge_voice_of": ["me"]}
    monitor._events = [msgspec.structs.replace(start("mic:Desk"), **voice)]
    app = DashboardApp(monitor)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot, app, monitor)
        assert "m" not in footer(app)
        await pilot.press("m")
        assert not isinstance(app.screen, InputsScreen)
