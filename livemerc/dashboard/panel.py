"""The base of every small widget: lines of styled text from the state, redrawn only when they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.strip import Strip
from textual.widget import Widget

from livemerc.dashboard.palette import Palette
from livemerc.dashboard.state import SessionState

if TYPE_CHECKING:
    from livemerc.dashboard.app import DashboardApp


class Panel(Widget):
    """Override `lines`; call `redraw` when the state may have changed."""

    can_focus = False

    def __init__(self, state: SessionState, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.state = state
        self._lines: list[Text] = []
        self._key: object = None

    def lines(self, width: int, height: int) -> list[Text]:
        """What to show in `width` x `height` cells. Pure: from `self.state` and `self.palette`."""
        return []

    def key(self) -> object:
        """Where `lines` is costly: what it depends on besides size and palette; None = draw every time."""
        return None

    @property
    def palette(self) -> Palette:
        return cast("DashboardApp", self.app).palette

    def redraw(self) -> None:
        """Nothing is sent to the terminal for lines that are as before."""
        key = self.key()
        if key is not None:
            key = (key, self.size, self.palette)
            if key == self._key:
                return
            self._key = key
        new = self.lines(self.size.width, self.size.height) if self.size.width else []
        if new != self._lines or any(a.style != b.style for a, b in zip(new, self._lines, strict=True)):
            self._lines = new
            self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        self.redraw()

    def render_line(self, y: int) -> Strip:
        style = self.rich_style
        if y >= len(self._lines):
            return Strip.blank(self.size.width, style)
        line = self._lines[y]
        if isinstance(line.style, Style) and not line.spans:  # which rich leaves out then
            style += line.style
        segments = [s for s in line.render(self.app.console) if s.text != "\n"]
        return Strip(Segment.apply_style(segments, style)).adjust_cell_length(self.size.width, style)


def spread(left: Text, right: Text, width: int) -> Text:
    """One line with `left` at its left and `right` at its right; `left` gives way."""
    room = width - right.cell_len
    left = left.copy()
    left.truncate(max(0, room - 1), overflow="ellipsis")
    left.append(" " * (room - left.cell_len))
    left.append_text(right)
    return left
