"""What a reader does: follow, scroll, select, search, go to a time. By key and by mouse."""

from __future__ import annotations

import pytest
from helpers.dashboard import details, header, shown, talk, until, visible
from helpers.scripted_monitor import ScriptedGauges, ScriptedMonitor, conversation, final
from textual.widgets import Static

from livemerc.dashboard.app import DashboardApp
from livemerc.dashboard.panels.timeline import CoursePanel, TimelinePanel
from livemerc.dashboard.panels.transcript import Transcript
from livemerc.dashboard.screens.detail import DetailScreen
from livemerc.dashboard.screens.search import SearchLine


async def test_it_follows_the_end_until_someone_scrolls_up_and_again_on_f() -> None:
    monitor = ScriptedMonitor(talk(60))
    app = DashboardApp(monitor)
    async with app.run_test(size=(80, 24)) as pilot:
        transcript = await shown(pilot, app, monitor)
        assert "utterance number 60" in visible(transcript)
        await pilot.press("up")
        await pilot.pause()
        assert "utterance number 60" not in visible(transcript)
        assert not transcript.follow
        assert "f follows" in header(app)
        app.state.apply(final(61, 300.0, 301.0, "utterance number 61"))
        app.redraw()
        await pilot.pause()
        assert "utterance number 61" not in visible(transcript)
        await pilot.press("f")
        await pilot.pause()
        assert "utterance number 61" in visible(transcript)
        assert "f follows" not in header(app)


async def test_scroll_keys_reach_both_ends() -> None:
    monitor = ScriptedMonitor(talk(60))
    app = DashboardApp(monitor)
    async with app.run_test(size=(80, 24)) as pilot:
        transcript = await shown(pilot, app, monitor)
        bottom = transcript.scroll_y
        await pilot.press("pageup")
        await pilot.pause()
        assert bottom - transcript.scroll_y >= transcript.size.height - 2
        await pilot.press("pagedown", "down")
        await pilot.pause()
        assert transcript.scroll_y == bottom
        assert transcript.follow
        await pilot.press("home")
        await pilot.pause()
        assert transcript.scroll_y == 0
        assert "No diagnosis" in visible(transcript)
        await pilot.press("end")
        await pilot.pause()
        assert transcript.scroll_y == bottom


async def test_enter_selects_what_is_in_sight_arrows_move_it_and_enter_opens_it() -> None:
    monitor = ScriptedMonitor(talk(40))
    app = DashboardApp(monitor)
    async with app.run_test(size=(80, 24)) as pilot:
        transcript = await shown(pilot, app, monitor)
        await pilot.press("enter")
        assert app.reader.selected is app.state.utterances[-1]
        assert not transcript.follow
        await pilot.press("up", "up", "up")
        assert app.reader.selected is app.state.utterances[-4]
        for _ in range(20):
            await pilot.press("up")
        await pilot.pause()
        assert "›00:51" in visible(transcript)  # 23 up: scrolled into sight, with its sign
        assert "utterance number 17" in visible(transcript)
        await pilot.press("down", "enter")
        await details(pilot, app, "utterance number 18")
        assert isinstance(app.screen, DetailScreen)
        await pilot.press("right", "right", "left")
        await details(pilot, app, "utterance number 19")
        await pilot.press("escape")
        assert app.reader.selected is app.state.utterances[18]
        await pilot.press("escape")
        assert app.reader.selected is None


async def test_a_search_lights_what_it_finds_goes_round_and_is_forgotten() -> None:
    monitor = ScriptedMonitor(talk(60))
    app = DashboardApp(monitor)
    async with app.run_test(size=(80, 24)) as pilot:
        transcript = await shown(pilot, app, monitor)
        await pilot.press("slash", *"NUMBER", "space", "1")
        assert app.query_one(SearchLine).display
        await until(pilot, lambda: "11 found" in str(app.query_one("#search-count", Static).render()))
        assert not app._exit  # q, b and the like are letters here
        await pilot.press("enter")
        assert not app.query_one(SearchLine).display
        assert app.reader.selected is not None
        assert app.reader.selected.text == "utterance number 19"
        await pilot.press("n")  # round at the end
        assert app.reader.selected.text == "utterance number 1"
        await pilot.press("n")
        assert app.reader.selected.text == "utterance number 10"
        await pilot.press("p", "p")
        assert app.reader.selected.text == "utterance number 19"
        lit = [s for y in range(transcript.size.height) for s in transcript.render_line(y) if s.text == "number 1"]
        assert lit
        assert all(s.style is not None and s.style.bgcolor is not None for s in lit)
        await pilot.press("escape")
        assert transcript.query_text == ""
        assert app.reader.selected is None


async def test_a_search_finds_speakers_and_labels_and_says_where_there_is_nothing() -> None:
    monitor = ScriptedMonitor(conversation())
    app = DashboardApp(monitor)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot, app, monitor)
        for words, found in (("robert", "3 found"), ("surprise", "1 found"), ("[bold]", "none found")):
            await pilot.press("slash", *words)
            count = app.query_one("#search-count", Static)
            await until(pilot, lambda found=found, count=count: found in str(count.render()))  # type: ignore[misc]
            await pilot.press("escape")
            await pilot.pause()


async def test_a_click_selects_and_a_second_one_opens() -> None:
    monitor = ScriptedMonitor(conversation())
    app = DashboardApp(monitor)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, app, monitor)
        await pilot.click(Transcript, offset=(30, 4))
        assert app.reader.selected is app.state.utterances[2]
        await pilot.click(Transcript, offset=(30, 4))
        assert isinstance(app.screen, DetailScreen)
        await pilot.press("escape")
        await pilot.click(Transcript, offset=(30, 20))  # where nothing is
        assert app.reader.selected is None


@pytest.mark.parametrize(("size", "panel"), [((120, 40), CoursePanel), ((80, 24), TimelinePanel)])
async def test_a_click_on_the_course_goes_to_what_was_said_then(
    size: tuple[int, int], panel: type[CoursePanel | TimelinePanel]
) -> None:
    monitor = ScriptedMonitor(talk(60), gauges=ScriptedGauges(t_s=182, elapsed_s=182))
    app = DashboardApp(monitor)
    async with app.run_test(size=size) as pilot:
        await shown(pilot, app, monitor)
        course = app.query_one(panel)
        x = course._left + int(31.0 / course._span_s)  # number 10 is said from second 30 to 32
        await pilot.click(panel, offset=(x, 0))
        await until(pilot, lambda: app.reader.selected is not None)
        assert app.reader.selected is not None
        assert app.reader.selected.text in ("utterance number 9", "utterance number 10", "utterance number 11")
