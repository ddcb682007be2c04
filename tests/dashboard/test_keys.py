"""Keys, help and command palette tell the same, and no key is dead."""

from __future__ import annotations

import pytest
from helpers.dashboard import shown, talk, until
from helpers.scripted_monitor import FakeClock, ScriptedMonitor, conversation, end
from textual.binding import Binding
from textual.command import CommandList
from textual.widgets import Static

from livemerc.dashboard.app import DashboardApp
from livemerc.dashboard.keys import key_help


async def test_the_help_and_the_palette_tell_every_key_that_does_something_and_no_other() -> None:
    monitor = ScriptedMonitor([*talk(3), end(12.0, 3)], ends=True)
    app = DashboardApp(monitor)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.ended)
        await shown(pilot, app, monitor)
        shown_keys = {b.action for _, b, enabled, _ in app.screen.active_bindings.values() if b.show and enabled}
        assert {"leave", "details", "search", "view", "next_theme", "help"} <= shown_keys
        assert not shown_keys & {"record", "inputs", "pause", "bookmark", "follow", "found(1)"}  # nothing to do there
        assert (
            len(key_help(app)) == len(shown_keys) == len(list(app.get_system_commands(app.screen))) + 1
        )  # the palette itself
        await pilot.press("question_mark")
        text = str(app.screen.query_one("#help", Static).render())
        assert all(what in text for _, what in key_help(app))


async def test_the_palette_does_what_the_keys_do() -> None:
    monitor = ScriptedMonitor(conversation())
    app = DashboardApp(monitor)
    async with app.run_test(size=(100, 30)) as pilot:
        await shown(pilot, app, monitor)
        await pilot.press("ctrl+p", *"theme")
        await until(pilot, lambda: "Theme" in str(app.screen.query_one(CommandList).get_option_at_index(0).prompt))
        await pilot.press("enter")
        await until(pilot, lambda: app.theme == "light")


@pytest.mark.parametrize("live", [True, False], ids=["live", "finished"])
async def test_no_key_is_dead_whatever_the_screen_can_do(live: bool) -> None:
    """Every key of the footer changes something that can be seen; one that does nothing is not offered."""
    for binding in DashboardApp.BINDINGS:
        assert isinstance(binding, Binding)
        if not binding.show or binding.action == "leave":
            continue
        monitor = ScriptedMonitor(talk(60)) if live else ScriptedMonitor([*talk(60), end(200.0, 60)], ends=True)
        clock = FakeClock()
        app = DashboardApp(monitor, clock=clock, ticking=False)
        async with app.run_test(size=(80, 24)) as pilot:
            await shown(pilot, app, monitor)
            if not live:
                while not app.ended:
                    await pilot.pause(0.01)
            for _ in range(60):  # the strip of levels has filled
                clock.now_s += 1
                app.tick()
            await pilot.pause()
            offered = {b.action for _, b, enabled, _ in app.screen.active_bindings.values() if enabled}
            before = app.export_screenshot()
            await pilot.press(binding.key)
            await pilot.pause()
            clock.now_s += 1
            app.tick()
            await pilot.pause()
            changed = app.export_screenshot() != before
            assert changed == (binding.action in offered), binding
