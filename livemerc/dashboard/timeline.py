"""The course of the session as a strip: a column is a stretch of time, its sign the label most voiced in it."""

from __future__ import annotations

from rich.style import Style
from rich.text import Text

from livemerc.dashboard.course import Column
from livemerc.dashboard.palette import Palette, glyph
from livemerc.dashboard.panel import Panel, spread
from livemerc.notation import clock


class TimelinePanel(Panel):
    """One line: times and strip. Three lines: a scale, the most voiced label, and below it the runner-up."""

    def lines(self, width: int, height: int) -> list[Text]:
        palette, duration_s = self.palette, self.state.duration_s
        end = clock(duration_s)
        if height < 3:
            columns, _ = self.state.course.strip(width - 9 - len(end), duration_s)
            line = Text(" 00:00 ", style=palette.dim)
            line.append_text(_strip(palette, columns, 0))
            return [line.append(f" {end}", style=palette.dim)]
        columns, column_s = self.state.course.strip(width - 2, duration_s)
        seconds = f"{column_s:g} s" if column_s < 60 else clock(column_s)
        hint = f"{seconds} a column, the label most voiced; below it the runner-up "
        at_end = max(0, len(columns) + 1 - len(" COURSE") - len(end))
        scale = Text(" COURSE" + (" " * at_end + end if at_end > 1 else ""), style=palette.dim)
        if scale.cell_len + 3 + len(hint) <= width:
            scale = spread(scale, Text(hint, style=palette.dim), width)
        return [scale, *(Text.assemble(" ", _strip(palette, columns, rank)) for rank in (0, 1))]


def _strip(palette: Palette, columns: list[Column], rank: int) -> Text:
    line = Text()
    for column in columns:
        ranked = sorted(column, key=lambda label: -column[label])
        if rank < len(ranked):
            style = palette.style(palette.emotion(ranked[rank]))
            line.append(glyph(ranked[rank]), style=style + Style(dim=True) if rank else style)
        else:
            line.append("─" if rank == 0 else " ", style=palette.rule)
    return line
