"""The course of the session as a strip: a column is a stretch of time, its sign the label most voiced in it."""

from __future__ import annotations

from rich.text import Text

from livemerc.dashboard.course import Column
from livemerc.dashboard.palette import Palette, glyph
from livemerc.dashboard.panel import Panel, spread
from livemerc.notation import clock


class TimelinePanel(Panel):
    """One line: times and strip. Three lines: a scale, the most voiced label, and below it the runner-up."""

    def lines(self, width: int, height: int) -> list[Text]:
        palette, duration_s = self.palette, self.state.duration_s
        if height < 3:
            end = clock(duration_s)
            room = width - 10 - len(end)
            columns, _ = self.state.course.strip(room, duration_s)
            line = Text(" 00:00 ", style=palette.dim)
            line.append_text(_strip(palette, columns, room, 0))
            return [line.append(f" {end} ", style=palette.dim)]
        room = width - 2
        columns, column_s = self.state.course.strip(room, duration_s)
        scale = spread(
            Text(" COURSE", style=palette.dim),
            Text(f"a column is {column_s:g} s · below it the runner-up   {clock(duration_s)} ", style=palette.dim),
            width,
        )
        rows = [Text.assemble(" ", _strip(palette, columns, room, rank)) for rank in (0, 1)]
        return [scale, *rows]


def _strip(palette: Palette, columns: list[Column], width: int, rank: int) -> Text:
    line = Text()
    for column in columns[:width]:
        ranked = sorted(column, key=lambda label: -column[label])
        if rank < len(ranked):
            line.append(glyph(ranked[rank]), style=palette.style(palette.emotion(ranked[rank]), bold=rank == 0))
        else:
            line.append("─" if rank == 0 else " ", style=palette.rule)
    return line.append(" " * (width - len(columns)))
