"""The second screen in a browser: whoever has its address can look."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.sessions import conversation, write_session

from livemerc.sessions.follower import Follower


async def test_who_only_has_the_address_can_look_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from livemerc.dashboard.viewer import VIEWER_ACTIONS, ViewerApp

    monkeypatch.chdir(tmp_path)
    path = write_session(tmp_path / "s", conversation(5))
    app = ViewerApp(Follower(path))
    async with app.run_test(size=(110, 30)) as pilot:
        app.tick()
        offered = {b.binding.action.partition("(")[0] for b in app.screen.active_bindings.values() if b.enabled}
        assert {name.removeprefix("app.") for name in offered} - VIEWER_ACTIONS <= {"screen.copy_text", "help_quit"}
        for action in ("export", "bookmark", "record", "command_palette", "screenshot", "suspend_process"):
            assert not await app.run_action(action)
        await pilot.press("e", "ctrl+p", "b", "ctrl+z")
        assert len(app.screen_stack) == 1
        await pilot.press("slash", *"words", "enter", "enter")
        assert len(app.screen_stack) == 2  # looking into an utterance
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["s"]
