"""The second screen: live, behind, waiting, broken off; nothing on it writes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.dashboard import header, visible
from helpers.growing_session import GrowingSession
from helpers.scripted_monitor import FakeClock
from helpers.sessions import conversation, write_session

from livemerc.dashboard.panels.key_line import KeyLine
from livemerc.dashboard.panels.status_line import TroubleBanner
from livemerc.dashboard.panels.transcript import Transcript
from livemerc.dashboard.screens.help import HelpScreen
from livemerc.dashboard.watch_app import WatchApp
from livemerc.sessions.follower import Follower


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[GrowingSession]:
    opened = GrowingSession(tmp_path / "meeting", conversation(40, ends=False))
    yield opened
    opened.die()


def watching(path: Path) -> tuple[WatchApp, FakeClock]:
    clock = FakeClock()
    return WatchApp(Follower(path, clock=clock), clock=clock, ticking=False), clock


def rows(app: WatchApp) -> str:
    return visible(app.query_one(Transcript))


def last(app: WatchApp) -> int:
    """Number of the last utterance on the screen."""
    return max(int(number) for number in re.findall(r"words (\d+)", rows(app)))


def trouble(app: WatchApp) -> str:
    banner = app.query_one(TroubleBanner)
    return visible(banner).replace("\n", " ") if banner.display else ""


async def test_it_follows_what_is_recorded_and_finds_back_to_it(recording: GrowingSession) -> None:
    recording.write(200)
    app, clock = watching(recording.path)
    async with app.run_test(size=(110, 30)) as pilot:
        app.tick()
        await pilot.pause()
        assert "● live" in header(app)
        first = last(app)
        recording.write(100)
        clock.now_s += 1
        app.tick()
        await pilot.pause()
        newest = last(app)
        assert newest > first
        await pilot.press("[")
        assert "01:00 behind" in header(app)
        assert last(app) == newest - 6
        await pilot.press("l")
        clock.now_s += 1
        app.tick()
        await pilot.pause()
        assert "● live" in header(app)
        assert last(app) == newest
        await pilot.press("space")
        recording.write(100)
        clock.now_s += 30
        app.tick()
        await pilot.pause()
        assert "paused" in header(app)
        assert last(app) == newest
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        assert "newest event" in str(app.screen.query_one("#help").render())
        await pilot.press("escape", "q")
    assert app.return_value == 0


async def test_a_recorder_that_dies_is_told_on_the_screen_which_stays(recording: GrowingSession) -> None:
    recording.write(100)
    app, clock = watching(recording.path)
    async with app.run_test(size=(110, 30)) as pilot:
        app.tick()
        assert not trouble(app)
        recording.die()
        clock.now_s += 1
        app.tick()
        await pilot.pause()
        assert "broke off" in trouble(app)
        assert "broken off" in header(app)
        assert "words 4" in rows(app)
        await pilot.press("[", "l")
        assert app.is_running


async def test_a_folder_that_vanishes_is_told(recording: GrowingSession) -> None:
    import shutil

    recording.write(100)
    app, clock = watching(recording.path)
    async with app.run_test(size=(110, 30)) as pilot:
        app.tick()
        shutil.rmtree(recording.path)
        for _ in range(3):
            clock.now_s += 1
            app.tick()
            await pilot.pause()
        assert "has vanished" in trouble(app)
        assert "words 4" in rows(app)


async def test_it_waits_for_a_session_and_shows_its_end(tmp_path: Path) -> None:
    app, clock = watching(tmp_path / "meeting")
    async with app.run_test(size=(110, 30)) as pilot:
        app.tick()
        await pilot.pause()
        assert "waiting for a recording in " in header(app)
        assert "/meeting" in header(app)
        await pilot.press("left", "l", "space", "space")
        recording = GrowingSession(tmp_path / "meeting", conversation(3))
        recording.write(12)
        clock.now_s += 1
        app.tick()
        await pilot.press("l")
        await pilot.pause()
        assert "● live" in header(app)
        assert "words 1" in rows(app)
        recording.write()
        recording.die()
        clock.now_s += 1
        app.tick()
        await pilot.pause()
        assert "■ ended" in header(app)
        assert not trouble(app)


async def test_a_finished_session_opens_at_its_end(tmp_path: Path) -> None:
    app, _ = watching(write_session(tmp_path / "s", conversation(5)))
    async with app.run_test(size=(110, 30)) as pilot:
        app.tick()
        await pilot.pause()
        assert "■ ended" in header(app)
        assert "words 5" in rows(app)


async def test_no_key_of_it_writes(tmp_path: Path) -> None:
    path = write_session(tmp_path / "s", conversation(5))
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    app, _ = watching(path)
    async with app.run_test(size=(110, 30)) as pilot:
        app.tick()
        for key in "abcdefghijklmnoprstuvwxyz":  # every letter but q
            await pilot.press(key)
            await pilot.press("escape")
        assert app.is_running
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["s"]


async def test_the_key_to_the_newest_event_is_there_when_one_is_not_at_it(tmp_path: Path) -> None:
    app, _ = watching(write_session(tmp_path / "meeting", conversation(40)))
    async with app.run_test(size=(110, 30)) as pilot:
        app.tick()
        await pilot.pause()
        keys = app.query_one(KeyLine)
        assert "l Live" not in keys.render_line(0).text
        await pilot.press("left")
        await pilot.pause()
        assert "l Live" in keys.render_line(0).text
        await pilot.press("l")
        await pilot.pause()
        assert "l Live" not in keys.render_line(0).text


async def test_an_ended_session_without_a_word_says_so(tmp_path: Path) -> None:
    app, _ = watching(write_session(tmp_path / "meeting", [conversation(1)[0], conversation(1)[-1]]))
    async with app.run_test(size=(80, 24)) as pilot:
        app.tick()
        await pilot.pause()
        assert "Nothing was said." in rows(app)
