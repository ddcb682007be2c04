"""The transcript: a virtual list, so that the ten-thousandth utterance costs what the tenth does."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, cast

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.cache import LRUCache
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import Reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from livemerc.dashboard.palette import Palette
from livemerc.dashboard.rows import Columns, height, render
from livemerc.dashboard.state import SessionState
from livemerc.text_safety import sure_width

if TYPE_CHECKING:
    from livemerc.dashboard.app import DashboardApp

NOTICES = (
    "Shown: emotion expressed, not felt; not a diagnosis. With the consent of everyone heard only: not covertly, "
    "not at work or school.",
    "Expressed, not felt; no diagnosis. With consent only: not covertly, not at work.",
    "Expressed, not felt. No diagnosis. With consent only.",
)
"""The longest that fits is the first row."""
_SPEAKER_CELLS = 10
_RENDERED_KEPT = 512  # more rows than any screen has


class Transcript(ScrollView):
    """Rows of all utterances; follows the end until someone scrolls up."""

    can_focus = False  # the app's keys scroll it
    virtual_size = Reactive(Size(0, 0), layout=False)
    """Growing moves no other widget: without a layout of the whole screen a new row costs a third."""

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
        self._rendered: LRUCache[tuple[str, int], list[Strip]] = LRUCache(_RENDERED_KEPT)

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
        anchor = None
        if columns != self._columns:
            if not self._follow:  # what someone reads stays where it is
                anchor = bisect_right(self._ends, round(self.scroll_y))
            self._columns = columns
            self._rendered.clear()
            changed_from = 0
        changed_from = min(changed_from, len(self._ends))
        self._measure(changed_from)
        if self._follow:
            self._to_end()
        elif anchor is not None:
            self.scroll_to(y=self._top(anchor) if anchor else 0, animate=False, immediate=True, force=True)
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
        speaker = min(_SPEAKER_CELLS, max((cell_len(sure_width(name)) for name in self.state.speakers), default=0))
        time = 7 if self.state.duration_s >= 3600 else 5
        return Columns(self.scrollable_content_region.width, time, speaker)

    def _measure(self, index: int) -> None:
        del self._ends[index:]
        row = self._top(index)
        for utterance in self.state.utterances[index:]:
            row += height(utterance, self._columns)
            self._ends.append(row)
        self.virtual_size = Size(self._columns.width, row)
        self.vertical_scrollbar.window_virtual_size = row

    def _top(self, index: int) -> int:
        return self._ends[index - 1] if index else 1

    # -- drawing -------------------------------------------------------------------------------------------------------

    def render_lines(self, crop: Region) -> list[Strip]:
        """The visible rows. Past the cache of styled widgets: there is no border, and a row that only moved is the same
        `Strip`, which keeps its escape sequences."""
        background = self.background_colors[1]
        first = round(self.scroll_y) + crop.y
        ground = self.rich_style
        strips = [self._strip(row, ground) for row in range(first, first + crop.height)]
        for line_filter in self.get_line_filters():
            strips = [strip.apply_filter(line_filter, background) for strip in strips]
        if crop.column_span != (0, self.size.width):
            strips = [strip.crop(*crop.column_span) for strip in strips]
        return strips

    def render_line(self, y: int) -> Strip:
        return self._strip(round(self.scroll_y) + y, self.rich_style)

    def _strip(self, row: int, ground: Style) -> Strip:
        width = self.size.width
        if row == 0:
            notice = next((notice for notice in NOTICES if len(notice) + 2 <= width), NOTICES[-1])
            return self._padded([Segment(f" {notice}"[: width - 1], self.palette.dim)], ground, width)
        if not self._ends or row >= self._ends[-1]:
            return Strip.blank(width, ground)
        index = bisect_right(self._ends, row)
        if index >= len(self.state.utterances):  # an open utterance came to nothing since the rows were measured
            return Strip.blank(width, ground)
        utterance = self.state.utterances[index]
        key = (utterance.utterance_id, utterance.version)
        strips = self._rendered.get(key)
        if strips is None:
            rows = render(utterance, self._columns, self.palette)
            strips = self._rendered[key] = [self._padded(segments, ground, width) for segments in rows]
        return strips[min(row - self._top(index), len(strips) - 1)]

    @staticmethod
    def _padded(segments: list[Segment], ground: Style, width: int) -> Strip:
        return Strip(Segment.apply_style(segments, ground)).adjust_cell_length(width, ground)

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
