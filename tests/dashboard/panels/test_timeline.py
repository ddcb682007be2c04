"""The course: a row for each speaker, as far as there is room."""

from __future__ import annotations

from helpers.dashboard import shown
from helpers.scripted_monitor import ScriptedMonitor, emotion, final, start

from livemerc.dashboard.app import DashboardApp
from livemerc.dashboard.panels.timeline import CoursePanel


async def test_long_names_are_cut_visibly_and_speakers_without_a_row_are_counted() -> None:
    names = [f"Professor Number {letter}" for letter in "ABCDEFGHIJKL"]
    said = [
        event for n, name in enumerate(names) for event in (final(n, n, n + 1, "yes", name), emotion(n, "joy", 0.6))
    ]
    monitor = ScriptedMonitor([start(), *said])
    app = DashboardApp(monitor)
    async with app.run_test(size=(120, 40)) as pilot:
        transcript, course = await shown(pilot, app, monitor), app.query_one(CoursePanel)
        assert "Professor… yes" in transcript.render_line(1).text
        rows = sum("Professor" in course.render_line(y).text for y in range(course.size.height))
        assert 0 < rows < 12
        assert f"{rows} of 12 speakers" in course.render_line(0).text
        await pilot.resize_terminal(200, 60)
        await pilot.pause()
        assert "Professor Number A" in transcript.render_line(1).text
