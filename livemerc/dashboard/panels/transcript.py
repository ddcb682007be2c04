"""The transcript: a virtual list, so that the ten-thousandth utterance costs what the tenth does."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.cache import LRUCache
from textual.filter import LineFilter
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import Reactive
from textual.scroll_view import ScrollView
from textual.scrollbar import ScrollBar
from textual.strip import Strip

from livemerc.dashboard.palette import Palette, palette_of
from livemerc.dashboard.panels.panel import filters_needed
from livemerc.dashboard.panels.scrolling import QuietScrollBar
from livemerc.dashboard.panels.transcript_rows import Columns, Marked, height, matches, render
from livemerc.dashboard.state.session import SessionState
from livemerc.dashboard.state.utterance import Utterance
from livemerc.purpose import WORDS_ALONE
from livemerc.text_safety import sure_width

NOTICES = (
    "Shown: emotion expressed, not felt; not a diagnosis. With the consent of everyone heard only: not covertly, "
    "not at work or school.",
    "Expressed, not felt; no diagnosis. With consent only: not covertly, not at work.",
    "Expressed, not felt. No diagnosis. With consent only.",
)
"""The longest one that fits stands in the first row."""
_NOTICES_OF_WORDS = (
    "Shown: emotion that words express, not felt; not a diagnosis. Nobody's voice is judged. Tell everyone heard; "
    "decide nothing by it.",
    "Words alone; expressed, not felt; no diagnosis. Tell everyone heard.",
    "By words alone. Not felt. No diagnosis.",
)
"""The same at work and in education, where consent allows nothing more."""
_SPEAKER_CELLS = (10, 24)  # at most: on a narrow screen, on a wide one
_RENDERED_KEPT = 160  # more rows than any screen has; each weighs kilobytes, and the collector looks through them


class Transcript(ScrollView):
    """Rows of all utterances; follows the end until someone scrolls up."""

    can_focus = False  # the app's keys scroll it
    virtual_size = Reactive(Size(0, 0), layout=False)
    """It grows without a layout of the whole screen, because no other widget moves: so a new row costs a third."""

    class Opened(Message):
        """The utterance that is selected was clicked again, or asked for."""

    class SelectionChanged(Message):
        """An utterance was selected, another one, or none any more."""

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
        self._rendered: LRUCache[tuple[str, int, Marked, int], list[Strip]] = LRUCache(_RENDERED_KEPT)
        self._selected: str | None = None
        self._query = ""
        self._bookmarks_s: list[float] = []
        self._hint = ""
        self._look: object = None  # what drawn rows depend on besides their key

    @property
    def vertical_scrollbar(self) -> ScrollBar:
        """Made when it is first asked for, as Textual's is."""
        if self._vertical_scrollbar is None:
            self._vertical_scrollbar = QuietScrollBar(name="vertical", thickness=self.scrollbar_size_vertical)
            self._vertical_scrollbar.display = False
            self.app._start_widget(self, self._vertical_scrollbar)
        return self._vertical_scrollbar

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
        return palette_of(self)

    # -- what is marked ------------------------------------------------------------------------------------------------

    @property
    def selected(self) -> Utterance | None:
        """The utterance that the reader has chosen."""
        return None if self._selected is None else self.state.find(self._selected)

    def select(self, utterance: Utterance | None) -> None:
        """Choose an utterance and bring it into sight; None ends that."""
        before, self._selected = self._selected, None if utterance is None else utterance.utterance_id
        if utterance is not None:
            self.follow = False  # what someone reads stays where it is
            self.show(utterance)
        if before != self._selected:
            self.post_message(self.SelectionChanged())
            self.refresh()

    def select_next(self, step: int) -> None:
        """Select the utterance that is `step` from the selected one; without one, the last in sight."""
        utterances = self.state.utterances
        if not utterances:
            return
        selected = self.selected
        if selected is None and self._follow:
            index = len(utterances) - 1
        elif selected is None:
            index = min(bisect_right(self._ends, round(self.scroll_y) + self.size.height - 1), len(utterances) - 1)
        else:
            index = self._index_of(selected) + step
        self.select(utterances[max(0, min(len(utterances) - 1, index))])

    def show(self, utterance: Utterance) -> None:
        """Scroll, if need be, until it is in sight."""
        index = self._index_of(utterance)
        if index >= len(self._ends):
            return
        above, below = self._top(index), self._ends[index]
        if above < self.scroll_y:
            self.scroll_to(y=above if index else 0, animate=False, immediate=True, force=True)
        elif below > self.scroll_y + self.size.height:
            self.scroll_to(y=below - self.size.height, animate=False, immediate=True, force=True)

    def show_time(self, t_s: float) -> None:
        """Select what was said then, or just before."""
        utterances = self.state.utterances
        index = bisect_right(utterances, t_s, key=lambda utterance: utterance.start_s) - 1
        if utterances:
            self.select(utterances[max(0, index)])

    @property
    def query_text(self) -> str:
        """What is searched for, in lower case; "" while nothing is."""
        return self._query

    def search(self, text: str) -> None:
        """Light up `text` wherever it stands, regardless of case; "" ends that."""
        if text.lower() != self._query:
            self._query = text.lower()
            self.refresh()

    def found(self) -> list[Utterance]:
        """All utterances that hold what is searched for."""
        return [u for u in self.state.utterances if matches(u, self._query)] if self._query else []

    def find_next(self, step: int) -> None:
        """Select the next (`step` 1) or the one before (-1) that holds what is searched for; goes round at the ends."""
        found = self.found()
        if not found:
            return
        selected = self.selected
        starts = [utterance.start_s for utterance in found]
        if selected is None:
            index = len(found) - 1 if step < 0 else 0
        elif step > 0:
            index = bisect_right(starts, selected.start_s) % len(found)
        else:
            index = (bisect_left(starts, selected.start_s) - 1) % len(found)
        self.select(found[index])

    def _index_of(self, utterance: Utterance) -> int:
        """Utterances are in order of time, and few begin at the same moment."""
        index = bisect_left(self.state.utterances, utterance.start_s, key=lambda u: u.start_s)
        while index < len(self.state.utterances) and self.state.utterances[index] is not utterance:
            index += 1
        return index

    def _marked(self, index: int) -> Marked:
        utterances = self.state.utterances
        utterance = utterances[index]
        until_s = utterances[index + 1].start_s if index + 1 < len(utterances) else float("inf")
        since_s = utterance.start_s if index else 0.0
        at = bisect_left(self._bookmarks_s, since_s)
        bookmark = at < len(self._bookmarks_s) and self._bookmarks_s[at] < until_s
        return Marked(bookmark, utterance.utterance_id == self._selected, self._query)

    # -- layout --------------------------------------------------------------------------------------------------------

    def redraw(self, changed_from: int | None) -> None:
        """Measure again from the first changed utterance on, and draw what is visible of it."""
        self._drop(self.state.take_left())
        marks_s = [bookmark.t_s for bookmark in self.state.bookmarks]
        if marks_s != self._bookmarks_s:
            self._bookmarks_s = marks_s
            self.refresh()
        hint = "" if self.state.utterances else self._nothing_yet()
        if hint != self._hint:
            self._hint = hint
            self.refresh()
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

    def _drop(self, count: int) -> None:
        """The first `count` utterances are gone; what is seen stays where it is."""
        if not count or not self._ends:
            return
        gone = self._top(min(count, len(self._ends))) - 1
        self._ends = [end - gone for end in self._ends[count:]]
        self.virtual_size = Size(self._columns.width, self._top(len(self._ends)))
        if not self._follow:
            self.scroll_to(y=max(0, self.scroll_y - gone), animate=False, immediate=True, force=True)

    def relayout(self) -> None:
        """After a change of width or theme."""
        self._rendered.clear()
        self._columns = Columns(0)
        self.redraw(0)

    def _fitting_columns(self) -> Columns:
        width, (least, most) = self.scrollable_content_region.width, _SPEAKER_CELLS
        longest = max((cell_len(sure_width(name)) for name in self.state.speakers), default=0)
        time = 7 if self.state.duration_s >= 3600 else 5
        return Columns(width, time, min(longest, max(least, min(most, width // 7))))

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
        """The visible rows. They bypass the cache of styled widgets: there is no border, and a row that has only moved
        is the same `Strip`, which keeps its escape sequences."""
        first = round(self.scroll_y) + crop.y
        ground, filters = self.rich_style, filters_needed(self)
        if self._look != (look := (self.app.theme, filters)):
            self._look = look
            self._rendered.clear()
        strips = [self._strip(row, ground, filters) for row in range(first, first + crop.height)]
        if crop.column_span != (0, self.size.width):
            strips = [strip.crop(*crop.column_span) for strip in strips]
        return strips

    def render_line(self, y: int) -> Strip:
        return self._strip(round(self.scroll_y) + y, self.rich_style, filters_needed(self))

    def _strip(self, row: int, ground: Style, filters: list[LineFilter]) -> Strip:
        width = self.size.width
        if row == 0:
            gone = f"{self.state.forgotten} earlier ones have left the screen. " if self.state.forgotten else ""
            voice = self.state.voice
            at_work = voice is not None and voice.purpose in WORDS_ALONE
            told = _NOTICES_OF_WORDS if at_work else NOTICES
            notice = next((gone + text for text in told if len(gone + text) + 2 <= width), gone + told[-1])
            return self._padded([Segment(f" {notice}"[: width - 1], self.palette.dim)], ground, width, filters)
        if row == 2 and not self.state.utterances:
            return self._padded(
                [Segment(f" {self._nothing_yet()}"[: width - 1], self.palette.dim)], ground, width, filters
            )
        if not self._ends or row >= self._ends[-1]:
            return Strip.blank(width, ground)
        index = bisect_right(self._ends, row)
        if index >= len(self.state.utterances):  # an open utterance came to nothing since the rows were measured
            return Strip.blank(width, ground)
        utterance = self.state.utterances[index]
        marked = self._marked(index)
        key = (utterance.utterance_id, utterance.version, marked, width)
        strips = self._rendered.get(key)
        if strips is None:
            rows = render(utterance, self._columns, self.palette, marked)
            strips = self._rendered[key] = [self._padded(segments, ground, width, filters) for segments in rows]
        return strips[min(row - self._top(index), len(strips) - 1)]

    def _nothing_yet(self) -> str:
        """What stands there while there are no words."""
        playback = self.state.playback
        if playback is not None and not (playback.ended and playback.behind_s is None):
            return "Nothing has been said yet."
        if playback is not None or self.state.phase == "finished":
            return "Nothing was said."
        if self.state.phase == "loading" or self.state.health.loading:
            return "The models load. What is said meanwhile is kept."
        return "Listening. What is said will stand here."

    def _padded(self, segments: list[Segment], ground: Style, width: int, filters: list[LineFilter]) -> Strip:
        strip = Strip(Segment.apply_style(segments, ground)).adjust_cell_length(width, ground)
        for line_filter in filters:
            strip = strip.apply_filter(line_filter, self.background_colors[1])
        return strip

    # -- scrolling -----------------------------------------------------------------------------------------------------

    def _to_end(self) -> None:
        self.scroll_to(y=self.max_scroll_y, animate=False, immediate=True, force=True)

    def on_click(self, event: events.Click) -> None:
        """A click selects, a second one opens what was selected."""
        row = round(self.scroll_y) + event.y
        if not row or not self._ends or row >= self._ends[-1]:
            self.select(None)
            return
        index = bisect_right(self._ends, row)
        if index < len(self.state.utterances):
            utterance = self.state.utterances[index]
            if utterance.utterance_id == self._selected:
                self.post_message(self.Opened())
            self.select(utterance)

    def on_resize(self, event: events.Resize) -> None:
        self.relayout()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if new_value < old_value and new_value < self.max_scroll_y:
            self.follow = False
        elif new_value >= self.max_scroll_y:
            self.follow = True
