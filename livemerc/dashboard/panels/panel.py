"""The base of every small widget: lines of styled text from the state, redrawn only when they differ."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

from rich.segment import Segment
from rich.style import Style
from rich.text import Span, Text
from textual import events
from textual.filter import ANSIToTruecolor, LineFilter
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from livemerc.dashboard.palette import Palette, palette_of
from livemerc.dashboard.state.session import SessionState


def filters_needed(widget: Widget) -> list[LineFilter]:
    """Textual's, without the one that turns a terminal's own colours into true ones: it copies each row, and here all
    colours are true already."""
    return [line_filter for line_filter in widget.get_line_filters() if not isinstance(line_filter, ANSIToTruecolor)]


class Panel(Widget):
    """Override `lines`; call `redraw` when the state may have changed."""

    can_focus = False

    def __init__(self, state: SessionState, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.state = state
        self._lines: list[Text] = []
        self._width = 0  # kept, because `size` asks many ancestors
        self._drawn_for = Size(0, 0)  # of the last `redraw`
        self._key: object = None
        self._ground: tuple[str, Style] | None = None
        self._strips: dict[int, Strip] = {}  # rows as they were sent last
        self._look: object = None  # what they depend on besides the lines

    def lines(self, width: int, height: int) -> list[Text]:
        """What to show in `width` x `height` cells. Pure: from `self.state` and `self.palette`."""
        return []

    def key(self) -> object:
        """What `lines` depends on besides size and palette, where it is costly; None = draw every time."""
        return None

    @property
    def palette(self) -> Palette:
        return palette_of(self)

    def redraw(self) -> None:
        """Sends nothing to the terminal for lines that are as before."""
        key, size = self.key(), self.size
        resized = size != self._drawn_for
        self._width, self._drawn_for = size.width, size
        if key is not None:
            key = (key, size, self.palette)
            if key == self._key:
                return
            self._key = key
        new = self.lines(size.width, size.height) if size.width else []
        old = self._lines
        if resized or len(old) != len(new):  # rows that are as before may have been drawn for another width
            self._lines = new
            self._strips.clear()
            self.refresh()
            return
        changed = [
            Region(0, y, size.width, 1) for y, (a, b) in enumerate(zip(old, new, strict=True)) if not _alike(a, b)
        ]
        if changed:
            self._lines = new
            for region in changed:
                self._strips.pop(region.y, None)
            self.refresh(*changed)

    def on_resize(self, event: events.Resize) -> None:
        self.redraw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._ground = None
        self._strips.clear()

    def render_lines(self, crop: Region) -> list[Strip]:
        """Bypasses the cache of styled widgets, as the transcript does: a panel has neither border nor padding."""
        # a new size is drawn before `on_resize` hears of it: a row too short would leave what stood there
        self._width = width = self.size.width
        filters = filters_needed(self)
        if self._look != (look := (self.app.theme, width, filters)):
            self._look = look
            self._strips.clear()
        strips = []
        for y in range(crop.y, crop.bottom):
            strip = self._strips.get(y)
            if strip is None:
                strip = self.render_line(y)
                for line_filter in filters:
                    strip = strip.apply_filter(line_filter, self.background_colors[1])
                self._strips[y] = strip
            strips.append(strip)
        if crop.column_span != (0, width):
            strips = [strip.crop(*crop.column_span) for strip in strips]
        return strips

    def render_line(self, y: int) -> Strip:
        ground = self._ground_style()
        if y >= len(self._lines):
            return Strip.blank(self._width, ground)
        return Strip(_segments(self._lines[y], ground)).adjust_cell_length(self._width, ground)

    def _ground_style(self) -> Style:
        """`rich_style`, which asks all ancestors, is asked once a theme."""
        if self._ground is None or self._ground[0] != self.app.theme:
            self._ground = (self.app.theme, self.rich_style)
        return self._ground[1]


def _alike(a: Text, b: Text) -> bool:
    """Compares text, spans and the style of the whole, which Rich leaves out."""
    return a == b and a.style == b.style


def _segments(line: Text, ground: Style) -> list[Segment]:
    """What `Text.render` gives, in half the time. Every style must be a `Style`, not the name of one."""
    base = ground + cast("Style", line.style) if line.style else ground
    plain, spans = line.plain, line.spans
    if all(a.end <= b.start for a, b in pairwise(spans)):  # nearly always they follow one another
        return _one_by_one(plain, spans, base)
    cuts = sorted({0, len(plain), *(span.start for span in spans), *(span.end for span in spans)})
    segments = []
    for start, end in pairwise(cuts):
        style = base
        for span in spans:
            if span.start <= start and span.end >= end:
                style = style + cast("Style", span.style)
        segments.append(Segment(plain[start:end], style))
    return segments


def _one_by_one(plain: str, spans: list[Span], base: Style) -> list[Segment]:
    segments, at = [], 0
    for span in spans:
        if span.start > at:
            segments.append(Segment(plain[at : span.start], base))
        segments.append(Segment(plain[span.start : span.end], base + cast("Style", span.style)))
        at = span.end
    if at < len(plain):
        segments.append(Segment(plain[at:], base))
    return segments


def spread(left: Text, right: Text, width: int) -> Text:
    """One line with `left` at its left and `right` at its right; `left` gives way."""
    room = width - right.cell_len
    left = left.copy()
    left.truncate(max(0, room - 1), overflow="ellipsis")
    left.append(" " * (room - left.cell_len))
    left.append_text(right)
    return left
