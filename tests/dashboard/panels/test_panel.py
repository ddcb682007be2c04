"""What all panels have in common: colours, and what is sent after a change of size."""

from __future__ import annotations

from typing import Any

import pytest
from helpers.dashboard import shown, talk, until
from helpers.scripted_monitor import ScriptedMonitor, conversation
from textual.geometry import Region

from livemerc.dashboard.app import DashboardApp
from livemerc.dashboard.palette import PALETTES
from livemerc.dashboard.panels.panel import Panel
from livemerc.dashboard.panels.status_line import HeaderLine
from livemerc.dashboard.panels.transcript import Transcript


async def test_every_colour_is_a_true_one_so_that_no_filter_has_to_make_it_one() -> None:
    monitor = ScriptedMonitor(conversation())
    app = DashboardApp(monitor)
    async with app.run_test(size=(120, 40)) as pilot:
        for _ in PALETTES:
            await shown(pilot, app, monitor)
            for widget in (app.query_one(Transcript), *(panel for panel in app.query(Panel) if panel.display)):
                styles = [s.style for strip in widget.render_lines(widget.size.region) for s in strip if s.style]
                assert styles
                for style in styles:
                    assert all(colour is None or colour.triplet for colour in (style.color, style.bgcolor))
                    assert not style.dim
            await pilot.press("t")


async def test_after_a_change_of_size_every_panel_is_drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that say the same as before were drawn for another width: on a terminal what stood there would stay."""
    monitor = ScriptedMonitor(talk(5))
    app = DashboardApp(monitor)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, app, monitor)
        drawn: list[tuple[object, tuple[Region, ...]]] = []
        refresh = Panel.refresh

        def remembered(panel: Panel, *regions: Region, **options: Any) -> Any:
            drawn.append((panel, regions))
            return refresh(panel, *regions, **options)

        monkeypatch.setattr(Panel, "refresh", remembered)
        for width, height in ((100, 40), (120, 40)):
            drawn.clear()
            await pilot.resize_terminal(width, height)
            header = app.query_one(HeaderLine)
            await until(pilot, lambda header=header: (header, ()) in drawn)
            for panel in app.query(Panel):
                if panel.display and panel.size:
                    rows = panel.render_lines(Region(0, 0, panel.size.width, panel.size.height))
                    assert {row.cell_length for row in rows} == {panel.size.width}
