"""What a reader does: select, look into, search, mark, pause, change the view, go to a time. By key and by mouse."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.dashboard import header, shown, talk, until, visible
from helpers.scripted_monitor import (
    FakeClock,
    ScriptedGauges,
    ScriptedMonitor,
    conversation,
    emotion,
    end,
    final,
    start,
)
from helpers.sessions import conversation as recorded
from helpers.sessions import write_session
from textual.binding import Binding
from textual.pilot import Pilot
from textual.widgets import Static

from livemerc.dashboard.app import DashboardApp
from livemerc.dashboard.panels.key_line import KeyLine
from livemerc.dashboard.panels.status_line import TroubleBanner
from livemerc.dashboard.panels.timeline import CoursePanel, TimelinePanel
from livemerc.dashboard.panels.transcript import Transcript
from livemerc.dashboard.replay_app import ReplayApp
from livemerc.dashboard.screens.detail import DetailScreen
from livemerc.dashboard.screens.search import SearchLine
from livemerc.events import Status
from livemerc.runtime.gauges import PAUSED
from livemerc.sessions.bookmarks import BOOKMARKS_FILE, bookmark_now, read_bookmarks
from livemerc.sessions.player import Player


async def details(pilot: Pilot[int], app: DashboardApp, what: str) -> str:
    """What the detail screen shows, once that has `what`."""

    def shown() -> str:
        return "".join(str(text.render()) for text in app.screen.query("#detail-text").results(Static))

    await until(pilot, lambda: what in shown())
    return shown()


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


async def test_the_details_tell_everything_that_is_known_of_an_utterance_and_follow_its_revisions() -> None:
    words, voice = ("neutral", 0.8), ("anger", 0.35)
    monitor = ScriptedMonitor(
        [
            start(),
            final(1, 1.0, 3.5, "that is fine", "Ann"),
            emotion(1, "joy", 0.4, status="provisional", words=words, voice=voice, total_ms=712.0),
            emotion(1, "anger", 0.61, status="revised", revision=1, words=words, voice=voice),
        ]
    )
    app = DashboardApp(monitor)
    async with app.run_test(size=(100, 40)) as pilot:
        await shown(pilot, app, monitor)
        await pilot.press("enter", "enter")
        told = await details(pilot, app, "that is fine")
        for what in (
            "00:01.0 - 00:03.5", "2.5 s", "Ann", "that is fine", ".610", ".800", ".350", "words neutral, voice unclear",
            "first", "joy .40", "revised", "anger .61", "pocketsphinx en-us, 80% sure", "endpoint 450, in all 712",
        ):  # fmt: skip
            assert what in told, what
        app.state.apply(emotion(1, "fear", 0.7, status="frozen", revision=2, words=words, voice=voice))
        app.redraw()
        assert "settled" in await details(pilot, app, "fear .70")


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


async def test_a_mark_is_kept_by_the_monitor_and_stands_in_the_transcript_and_on_the_course() -> None:
    monitor = ScriptedMonitor(conversation(), gauges=ScriptedGauges(t_s=27.4, elapsed_s=27.4))
    app = DashboardApp(monitor)
    async with app.run_test(size=(120, 40)) as pilot:
        transcript = await shown(pilot, app, monitor)
        await pilot.press("b")
        await until(pilot, lambda: len(monitor.bookmarks) == 1)
        assert monitor.bookmarks[0].t_s == pytest.approx(27.4)
        await pilot.press("enter", *["up"] * 6, "b")
        await until(pilot, lambda: len(monitor.bookmarks) == 2)
        assert monitor.bookmarks[1].t_s == pytest.approx(2.9)  # of the utterance selected
        app.redraw()
        await pilot.pause()
        marked = [line for line in visible(transcript).splitlines() if "★" in line]
        assert [line[1:6] for line in marked] == ["00:02", "00:25"]
        assert visible(app.query_one(CoursePanel)).count("★") == 2


async def test_a_pause_says_that_nothing_is_heard_and_ends() -> None:
    monitor = ScriptedMonitor(conversation())
    app = DashboardApp(monitor)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot, app, monitor)
        await pilot.press("space")
        assert monitor.paused
        banner = app.query_one(TroubleBanner)
        await until(pilot, lambda: "PAUSED: nothing is being heard. Space goes on." in visible(banner))
        assert "paused, nothing is heard" in header(app)
        assert "DEGRADED" not in visible(banner)  # it is what somebody wished
        await pilot.press("space")
        await until(pilot, lambda: not banner.display)
        assert not monitor.paused


async def test_the_view_of_a_narrow_screen_goes_round_and_all_fit_on_a_huge_one() -> None:
    monitor = ScriptedMonitor(conversation())
    app = DashboardApp(monitor)
    names = ("now", "course", "summary", "health")
    async with app.run_test(size=(60, 20)) as pilot:
        await shown(pilot, app, monitor)
        seen = []
        for _ in range(5):
            seen.append([name for name in names if app.query_one(f"#{name}").display])
            await pilot.press("v")
        assert seen == [["now"], ["course"], ["summary"], ["health"], ["now"]]
        await pilot.resize_terminal(200, 60)
        await pilot.pause()
        app.redraw()
        await pilot.pause()
        assert all(app.query_one(f"#{name}").display for name in names)
        assert "v" not in {b.key for _, b, enabled, _ in app.screen.active_bindings.values() if enabled}


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


async def test_a_recording_goes_on_and_off_with_its_key() -> None:
    monitor = ScriptedMonitor(conversation())
    app = DashboardApp(monitor)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, app, monitor)
        await pilot.press("r")
        assert app.state.recording == "rec"
        await pilot.press("r")
        assert app.state.recording is None


async def test_a_click_on_a_key_of_the_footer_presses_it() -> None:
    monitor = ScriptedMonitor(conversation())
    app = DashboardApp(monitor)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, app, monitor)
        keys = app.query_one(KeyLine)
        assert keys.render_line(0).text.rstrip().endswith("? Help")
        await pilot.click(KeyLine, offset=(visible(keys).index("Theme"), 0))
        await until(pilot, lambda: app.theme == "light")
        await pilot.press("slash")
        await until(pilot, lambda: "Esc forget it" in visible(keys))


async def test_the_palette_does_what_the_keys_do() -> None:
    monitor = ScriptedMonitor(conversation())
    app = DashboardApp(monitor)
    async with app.run_test(size=(100, 30)) as pilot:
        await shown(pilot, app, monitor)
        await pilot.press("ctrl+p", *"theme")
        await until(
            pilot, lambda: "Theme" in str(app.screen.query("CommandList").first().get_option_at_index(0).prompt)
        )  # type: ignore[attr-defined]
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


# -- replay ------------------------------------------------------------------------------------------------------------


async def test_bookmarks_of_a_session_are_shown_by_its_replay_which_can_add_some(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", recorded(30))
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
    folder = write_session(tmp_path / "s", recorded(30))
    clock = FakeClock()
    app = ReplayApp(Player(folder, begin_s=200.0, clock=clock), clock=clock, ticking=False)
    async with app.run_test(size=(120, 40)) as pilot:
        app.tick()
        await pilot.pause()
        course = app.query_one(CoursePanel)
        await pilot.click(CoursePanel, offset=(course._left + int(100 / course._span_s), 2))
        await until(pilot, lambda: abs(app.player.position_s - 100) <= course._span_s)


def test_a_pause_in_a_record_is_a_pause_and_no_trouble() -> None:
    app_state = DashboardApp(ScriptedMonitor()).state
    app_state.apply(start())
    for t_s, degraded in ((1.0, None), (2.0, PAUSED), (4.0, PAUSED), (5.0, None), (6.0, f"slow; {PAUSED}")):
        app_state.apply(Status(t_s=t_s, lag_s=0, queued={}, degraded=degraded))
    assert [(s.kind, s.start_s, s.end_s) for s in app_state.spans] == [("pause", 2.0, 5.0), ("pause", 6.0, 6.0)]
    assert app_state.health.paused
    assert app_state.health.troubles() == ["DEGRADED: slow"]


def test_a_bookmark_says_when_it_was_made() -> None:
    assert bookmark_now(1.23456, "here").t_s == 1.235
    assert bookmark_now(0.0).at.endswith("+00:00")
