"""The transcript: a virtual list, so that the ten-thousandth utterance costs what the tenth does."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, cast

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.cache import LRUCache
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from livemerc.dashboard.palette import Palette
from livemerc.dashboard.rows import Columns, height, render
from livemerc.dashboard.state import SessionState, Utterance
from livemerc.text_safety import sure_width

if TYPE_CHECKING:
    from livemerc.dashboard.app import DashboardApp

NOTICE = "Shown: emotion expressed, not felt. Not a diagnosis."
_SPEAKER_CELLS = 10
_RENDERED_KEPT = 512  # more rows than any screen has


class Transcript(ScrollView):
    """Rows of all utterances; follows the end until someone scrolls up."""

    can_focus = False  # the app's keys scroll it

    class FollowChanged(Message):
        """Following began or ended."""

        def __init__(self, follow: bool) -> None:
            super().__init__()
            self.follow = follow

    def __init__(self, state: SessionState, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.state = state
        self._follow = True
        self._columns = Columns(0)
        self._ends: list[int] = []  # row after the last row of each utterance; row 0 is the notice
        self._rendered: LRUCache[tuple[str, int], list[list[Segment]]] = LRUCache(_RENDERED_KEPT)

    @property
    def follow(self) -> bool:
        return self._follow

    @follow.setter
    def follow(self, follow: bool) -> None:
        if follow != self._follow:
            self._follow = follow
            self.post_message(self.FollowChanged(follow))
        if follow:
            self._to_end()

    @property
    def palette(self) -> Palette:
        return cast("DashboardApp", self.app).palette

    # -- layout --------------------------------------------------------------------------------------------------------

    def redraw(self, changed_from: int | None) -> None:
        """Measure again from the first changed utterance on, and draw what is visible of it."""
        if changed_from is None or not self.size.width:
            return
        columns = self._fitting_columns()
        if columns != self._columns:
            self._columns = columns
            self._rendered.clear()
            changed_from = 0
        changed_from = min(changed_from, len(self._ends))
        self._measure(changed_from)
        if self._follow:
            self._to_end()
        first_row = self._top(changed_from) - round(self.scroll_y)
        rows = self.size.height - max(0, first_row)
        if rows > 0:
            self.refresh(Region(0, max(0, first_row), self.size.width, rows))

    def relayout(self) -> None:
        """After a change of width or theme."""
        self._rendered.clear()
        self._columns = Columns(0)
        self.redraw(0)

    def _fitting_columns(self) -> Columns:
        speaker = 0
        if self.state.speakers:
            longest = max(cell_len(sure_width(u.speaker)) for u in self.state.utterances if u.speaker)
            speaker = min(_SPEAKER_CELLS, longest)
        time = 7 if self.state.duration_s >= 3600 else 5
        return Columns(self.scrollable_content_region.width, time, speaker)

    def _measure(self, index: int) -> None:
        del self._ends[index:]
        row = self._top(index)
        for utterance in self.state.utterances[index:]:
            row += height(utterance, self._columns)
            self._ends.append(row)
        size = Size(self._columns.width, row)
        if size != self.virtual_size:
            self.virtual_size = size

    def _top(self, index: int) -> int:
        return self._ends[index - 1] if index else 1

    # -- drawing -------------------------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        row = round(self.scroll_y) + y
        segments: list[Segment] = []
        if row == 0:
            segments = [Segment(f" {NOTICE}"[: width - 1], self.palette.dim)]
        elif self._ends and row < self._ends[-1]:
            index = bisect_right(self._ends, row)
            rows = self._rows(self.state.utterances[index])
            segments = rows[min(row - self._top(index), len(rows) - 1)]
        style = self.rich_style
        return Strip(Segment.apply_style(segments, style)).adjust_cell_length(width, style)

    def _rows(self, utterance: Utterance) -> list[list[Segment]]:
        key = (utterance.utterance_id, utterance.version)
        rows = self._rendered.get(key)
        if rows is None:
            rows = self._rendered[key] = render(utterance, self._columns, self.palette)
        return rows

    # -- scrolling -----------------------------------------------------------------------------------------------------

    def _to_end(self) -> None:
        self.scroll_to(y=self.max_scroll_y, animate=False, immediate=True, force=True)

    def on_resize(self, event: events.Resize) -> None:
        self.relayout()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if new_value < old_value and new_value < self.max_scroll_y:
            self.follow = False
        elif new_value >= self.max_scroll_y:
            self.follow = True
