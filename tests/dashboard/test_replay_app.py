"""A recorded session on the very same screen: keys, seeks, bookmarks."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.dashboard import header, until, visible
from helpers.scripted_monitor import FakeClock
from helpers.sessions import HOSTILE, conversation, write_session

from livemerc.dashboard.panels.key_line import KeyLine
from livemerc.dashboard.panels.timeline import CoursePanel
from livemerc.dashboard.panels.transcript import Transcript
from livemerc.dashboard.replay_app import ReplayApp
from livemerc.dashboard.screens.help import HelpScreen
from livemerc.sessions.bookmarks import BOOKMARKS_FILE, read_bookmarks
from livemerc.sessions.player import Player


def replaying(tmp_path: Path, utterances: int = 30) -> tuple[ReplayApp, FakeClock]:
    clock = FakeClock()
    player = Player(write_session(tmp_path / "s", conversation(utterances)), clock=clock)
    return ReplayApp(player, clock=clock, ticking=False), clock


def rows(app: ReplayApp) -> str:
    return visible(app.query_one(Transcript))


async def test_it_plays_pauses_seeks_and_changes_its_pace(tmp_path: Path) -> None:
    app, clock = replaying(tmp_path)
    async with app.run_test(size=(100, 30)) as pilot:
        clock.now_s += 25.0
        app.tick()
        await pilot.pause()
        assert "► replay 1x  00:25 / 05:00" in header(app)
        assert [u.utterance_id for u in app.state.utterances] == ["u1", "u2", "u3"]
        assert "words 3" in rows(app)
        await pilot.press("space")
        clock.now_s += 100.0
        app.tick()
        assert "‖ paused" in header(app)
        assert "00:25 /" in header(app)
        await pilot.press("space", "right", "right", "]")
        assert "01:45 /" in header(app)
        assert "words 11" in rows(app)
        await pilot.press("left", "[", "shift+left")
        assert "00:00 /" in header(app)
        assert "words" not in rows(app)
        await pilot.press("plus", "plus")
        clock.now_s += 10.0
        app.tick()
        assert "5x  00:50 /" in header(app)
        await pilot.press("minus", "minus", "minus", "minus")
        assert "0.5x" in header(app)
        for _ in range(5):
            await pilot.press("]")
        assert "■ end" in header(app)
        assert app.state.phase == "finished"
        await pilot.press("left")
        assert "► replay" in header(app)
        assert app.state.phase == "live"
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape", "q")
    assert app.return_value == 0


async def test_from_opens_in_the_middle(tmp_path: Path) -> None:
    clock = FakeClock()
    player = Player(write_session(tmp_path / "s", conversation(30)), begin_s=150.0, clock=clock)
    app = ReplayApp(player, clock=clock, ticking=False)
    async with app.run_test(size=(80, 24)) as pilot:
        app.redraw()
        await pilot.pause()
        assert "02:30 / 05:00" in header(app)
        assert "words 15" in rows(app)
        assert "words 16" not in rows(app)


async def test_an_empty_session_opens(tmp_path: Path) -> None:
    app = ReplayApp(Player(write_session(tmp_path / "s", [])), ticking=False)
    async with app.run_test() as pilot:
        app.tick()
        await pilot.press("right", "left", "space")
        assert "00:00 / 00:00" in header(app)


async def test_hostile_words_steer_nothing(tmp_path: Path) -> None:
    app = ReplayApp(Player(write_session(tmp_path / "s", conversation(3, text=HOSTILE)), begin_s=30.0), ticking=False)
    async with app.run_test(size=(150, 30)) as pilot:
        app.redraw()
        await pilot.pause()
        shown = rows(app)
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "-->" in shown


async def test_what_is_over_cannot_be_recorded_and_has_no_key_for_it(tmp_path: Path) -> None:
    app, _ = replaying(tmp_path)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("r")
        assert "record" not in {binding.binding.action for binding in app.screen.active_bindings.values()}


@pytest.mark.parametrize("size", [(60, 20), (80, 24)])
async def test_the_footer_of_a_small_screen_tells_how_to_seek_and_to_see_the_rest(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    app, _ = replaying(tmp_path)
    async with app.run_test(size=size) as pilot:
        app.tick()
        await pilot.pause()
        footer = app.query_one(KeyLine).render_line(0).text
        assert all(key in footer for key in ("Space Pause", "Seek", "v View", "? Help"))


async def test_bookmarks_of_a_session_are_shown_by_its_replay_which_can_add_some(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", conversation(30))
    clock = FakeClock()
    app = ReplayApp(Player(folder, clock=clock), clock=clock, ticking=False)
    async with app.run_test(size=(120, 40)) as pilot:
        app.tick()
        await pilot.press("]", "b")
        await until(pilot, lambda: (folder / BOOKMARKS_FILE).exists())
        app.tick()
        await pilot.pause()
        assert "★" in visible(app.query_one(CoursePanel))
    (bookmark,), warnings = read_bookmarks(folder)
    assert (bookmark.t_s, warnings) == (pytest.approx(60.0), [])
    again = ReplayApp(Player(folder, begin_s=90.0, clock=clock), clock=clock, ticking=False)
    async with again.run_test(size=(120, 40)) as pilot:
        again.tick()
        await pilot.pause()
        assert [b.t_s for b in again.state.bookmarks] == [pytest.approx(60.0)]


async def test_a_click_on_the_course_of_a_replay_goes_there(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", conversation(30))
    clock = FakeClock()
    app = ReplayApp(Player(folder, begin_s=200.0, clock=clock), clock=clock, ticking=False)
    async with app.run_test(size=(120, 40)) as pilot:
        app.tick()
        await pilot.pause()
        course = app.query_one(CoursePanel)
        await pilot.click(CoursePanel, offset=(course._left + int(100 / course._span_s), 2))
        await until(pilot, lambda: abs(app.player.position_s - 100) <= course._span_s)
