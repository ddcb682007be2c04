"""The transcript: what someone reads stays in place."""

from __future__ import annotations

from helpers.dashboard import shown, talk, until, visible
from helpers.scripted_monitor import ScriptedMonitor, final, start

from livemerc.dashboard.app import DashboardApp


async def test_what_someone_reads_stays_in_place_when_the_size_changes() -> None:
    events = [start()]
    for n in range(1, 80):
        events += [final(n, n * 3.0, n * 3.0 + 2, f"number {n} " + "and so it goes on " * (n % 7), "Ann")]
    monitor = ScriptedMonitor(events)
    app = DashboardApp(monitor)
    async with app.run_test(size=(150, 40)) as pilot:
        transcript = await shown(pilot, app, monitor)
        await pilot.press("home", "pagedown")
        await pilot.pause()
        read = transcript.render_line(0).text.split("number ")[1].split()[0]
        for width, height in ((60, 20), (90, 30), (200, 60)):
            await pilot.resize_terminal(width, height)
            # the screen is laid out for the new size a message later than it has it
            await until(pilot, lambda: f"number {read} " in transcript.render_line(0).text)
            assert not transcript.follow


async def test_a_screen_drawn_between_a_dropped_utterance_and_the_next_measure_is_whole() -> None:
    monitor = ScriptedMonitor(talk(5))
    app = DashboardApp(monitor)
    async with app.run_test(size=(80, 24)) as pilot:
        transcript = await shown(pilot, app, monitor)
        before = visible(transcript)
        app.state.utterances.pop()  # as when an open utterance comes to nothing; the rows are still those of before
        after = visible(transcript)
        assert "number 4" in after
        assert len(after) == len(before)
