"""The transcript's scroll bar: drawn again only where it has moved."""

from __future__ import annotations

from typing import Self, cast

from rich.segment import Segments
from textual.geometry import Region
from textual.scrollbar import ScrollBar, ScrollBarRender
from textual.strip import Strip

from livemerc.dashboard.panels.panel import filters_needed


class QuietScrollBar(ScrollBar):
    """Textual's bar is drawn again with each row that comes, although in a long session it hardly ever moves.

    This one keeps its rows and sends only those that differ: drawing it was a third of what a new row costs.
    """

    def __init__(self, vertical: bool = True, name: str | None = None, *, thickness: int = 1) -> None:
        super().__init__(vertical, name, thickness=thickness)
        self._look: object = None
        self._rows: list[Strip] = []

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        if not self._rows or regions or layout or recompose or not repaint:
            super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)
            return self
        before = self._rows
        rows = self._drawn()
        if len(rows) != len(before):
            super().refresh()
            return self
        moved = [y for y, (old, new) in enumerate(zip(before, rows, strict=True)) if old is not new]
        if moved:
            super().refresh(Region(0, moved[0], self.size.width, moved[-1] + 1 - moved[0]))
        return self

    def _drawn(self) -> list[Strip]:
        """A row for each cell of height: the same `Strip` object as before where it looks as before."""
        height = self.size.height
        look = (
            height, self.window_virtual_size, self.window_size, self.position, self.mouse_over, self.grabbed,
            self.app.theme,
        )  # fmt: skip
        if look == self._look:
            return self._rows
        self._look = look
        filters = filters_needed(self)
        bar = cast("ScrollBarRender", self.render())
        style = self.app.console.get_style(bar.style)
        assert style.bgcolor is not None
        assert style.color is not None
        rendered: Segments = bar.render_bar(
            size=height, virtual_size=bar.virtual_size, window_size=bar.window_size, position=bar.position,
            thickness=bar.thickness, vertical=True, back_color=style.bgcolor, bar_color=style.color,
        )  # fmt: skip
        known: dict[int, Strip] = {}  # most are one and the same segment
        rows: list[Strip] = []
        for y, segment in enumerate(rendered.segments[:height]):
            row = known.get(id(segment))
            if row is None:
                row = Strip([segment], self.thickness)
                for line_filter in filters:
                    row = row.apply_filter(line_filter, self.background_colors[1])
                known[id(segment)] = row
            rows.append(self._rows[y] if y < len(self._rows) and self._rows[y] == row else row)
        self._rows = rows
        return rows

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._look = None

    def render_lines(self, crop: Region) -> list[Strip]:
        rows = self._drawn()[crop.y : crop.bottom]
        return rows if crop.column_span == (0, self.size.width) else [row.crop(*crop.column_span) for row in rows]
