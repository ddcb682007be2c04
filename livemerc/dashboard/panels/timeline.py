"""The course of the session: a column is a stretch of time, its sign the label most voiced in it."""

from __future__ import annotations

from bisect import bisect_left

from rich.cells import cell_len, set_cell_size
from rich.style import Style
from rich.text import Span, Text
from textual import events
from textual.message import Message

from livemerc.dashboard.palette import Palette, glyph
from livemerc.dashboard.panels.panel import Panel, spread
from livemerc.dashboard.panels.transcript_rows import BOOKMARK
from livemerc.dashboard.panels.wrapping import in_cells
from livemerc.dashboard.state.course import Column
from livemerc.notation import clock
from livemerc.text_safety import sure_width

GAP, PAUSE = "×", "‖"
SHIFTS = "╵│┃"
"""One in a column, a few, many."""
_MANY = (1, 2, 4)
_GUTTER = 11  # more where names are longer and there is room
Cell = tuple[str, Style]
_UP, _DOWN = " ▄█", " ▀█"
"""Bars grow by halves of a cell, because few fonts have finer blocks from the top down."""


class _TimePanel(Panel):
    """A panel whose columns are stretches of time: a click goes to one."""

    class Chosen(Message, namespace="course"):
        """Somebody clicked at this time."""

        def __init__(self, t_s: float) -> None:
            super().__init__()
            self.t_s = t_s

    _left = 0  # cells before the first column
    _span_s = 0.0

    def key(self) -> object:
        """Time alone counts twice a second, which is the finest column."""
        state = self.state
        spans = [(span.kind, span.start_s, span.end_s) for span in state.gaps.spans]
        return state.version, int(2 * state.duration_s), len(state.bookmarks), len(state.gaps.lost), spans

    def on_click(self, event: events.Click) -> None:
        t_s = (event.x - self._left + 0.5) * self._span_s
        if 0 <= t_s <= self.state.duration_s + self._span_s:
            self.post_message(self.Chosen(min(t_s, self.state.duration_s)))

    def _marks(self, count: int, *, shifts: bool) -> list[str]:
        """The sign of each column. A bookmark goes before lost audio, and that goes before a shift."""
        signs = [""] * count
        state, span_s = self.state, self._span_s

        def put(sign: str, start_s: float, end_s: float) -> None:
            for column in range(max(0, int(start_s / span_s)), min(count - 1, int(end_s / span_s)) + 1):
                signs[column] = sign

        if shifts:
            times_s = state.shifts_s()
            for column in range(count):
                shifted = bisect_left(times_s, (column + 1) * span_s) - bisect_left(times_s, column * span_s)
                signs[column] = next((SHIFTS[n] for n in (2, 1, 0) if shifted >= _MANY[n]), "")
        for span in state.gaps.spans:
            put(PAUSE if span.kind == "pause" else GAP, span.start_s, span.end_s)
        for lost in state.gaps.lost:
            put(GAP, lost.t_s - lost.lost_s, lost.t_s)
        for bookmark in state.bookmarks:
            put(BOOKMARK, bookmark.t_s, bookmark.t_s)
        return signs

    def _mark_style(self, sign: str) -> Style:
        palette = self.palette
        if sign == GAP:
            return palette.style(palette.danger, bold=True)
        return palette.dim if sign in SHIFTS else palette.style(palette.accent, bold=True)


class TimelinePanel(_TimePanel):
    """One line: times and strip; marks stand in the strip."""

    def lines(self, width: int, height: int) -> list[Text]:
        palette, duration_s = self.palette, self.state.duration_s
        end = clock(duration_s)
        columns, self._span_s = self.state.course.strip(width - 9 - len(end), duration_s)
        self._left = len(" 00:00 ")
        strip = _strip(palette, columns)
        for index, sign in enumerate(self._marks(len(columns), shifts=False)):
            if sign:
                strip[index] = (sign, self._mark_style(sign))
        line = _drawn(" 00:00 ", palette.dim, strip)
        return [line.append(f" {end}", style=palette.dim)]


class CoursePanel(_TimePanel):
    """A scale, the valence curve, the label most voiced, marks, and the same strip for each speaker."""

    @property
    def has_marks(self) -> bool:
        state = self.state
        return bool(state.bookmarks or state.gaps.lost or state.gaps.spans or state.shifts_s())

    def lines(self, width: int, height: int) -> list[Text]:
        palette, state = self.palette, self.state
        duration_s = state.duration_s
        speakers = list(state.courses) if len(state.courses) > 1 else []
        longest = max((cell_len(sure_width(name)) for name in speakers), default=0)
        self._left = max(_GUTTER, min(longest + 2, width // 10))
        columns, self._span_s = state.course.strip(width - self._left - 1, duration_s)
        count = len(columns)
        spare = height - 2 - self.has_marks  # rows for curve and speakers
        valence_rows = 4 if spare - min(len(speakers), 6) >= 4 else 2 if spare >= 2 else 0
        curve = state.course.curve(self._span_s, count)
        rows: list[Text] = []
        for place, cells in enumerate(self._curve(curve, valence_rows)):
            name = "valence +" if place == 0 else "        -" if place == valence_rows - 1 else ""
            rows.append(self._row(name, cells))
        rows.append(self._row("emotion", _strip(palette, columns)))
        if self.has_marks:
            signs = self._marks(count, shifts=True)
            rows.append(self._row("marks", [(sign or " ", self._mark_style(sign)) for sign in signs]))
        room = height - len(rows) - 1
        shown = speakers[: room if room > 1 else 0]
        for speaker in shown:
            strip = _strip(palette, state.courses[speaker].columns_of(self._span_s, count))
            rows.append(self._row(sure_width(speaker), strip, palette.speaker(state.coloured(speaker), palette.muted)))
        some = f"{len(shown)} of {len(state.speakers)} speakers  " if 0 < len(shown) < len(state.speakers) else ""
        return [self._scale(width, count, some), *rows][:height]

    def _row(self, name: str, cells: list[Cell], colour: str | None = None) -> Text:
        style = self.palette.style(colour or self.palette.muted)
        return _drawn(" " + in_cells(name, self._left - 2) + " ", style, cells)

    def _scale(self, width: int, count: int, some: str) -> Text:
        """`COURSE    00:00            00:27` and what a column spans, behind `some`."""
        palette = self.palette
        line = Text().append(set_cell_size(" COURSE", self._left), style=palette.title)
        end = clock(self.state.duration_s)
        seconds = f"{self._span_s:g} s" if self._span_s < 60 else clock(self._span_s)
        hint = f"{some}{seconds} a column"
        scale = "00:00" + end.rjust(count - 5) if count >= 6 + len(end) else end
        legend = f"{BOOKMARK} marked  {GAP} lost  {PAUSE} paused  {SHIFTS[0]} shift  {hint} "
        for text in (legend, hint + " "):
            if line.cell_len + len(scale) + 3 + len(text) <= width:
                return spread(line.append(scale, palette.dim), Text(text, style=palette.dim), width)
        inside = (legend if count >= len(legend) + 24 else hint).strip()
        if count >= len(inside) + 16:
            at = (count - len(inside)) // 2
            scale = scale[:at] + inside + scale[at + len(inside) :]
        return line.append(scale, palette.dim)

    def _curve(self, values: list[float | None], rows: int) -> list[list[Cell]]:
        """Bars from the middle: up for pleasant, down for unpleasant, and a line where it is even."""
        if not rows:
            return []
        palette, half = self.palette, rows // 2
        up, down = palette.style(palette.valence(True)), palette.style(palette.valence(False))
        lines: list[list[Cell]] = [[(" ", palette.dim)] * len(values) for _ in range(rows)]
        for column, value in enumerate(values):
            if value is None:
                continue
            halves = round(abs(value) * 2 * half)
            if not halves:
                lines[half - 1][column] = ("▁", palette.dim)
            for outwards in range(-(-halves // 2)):
                filled = min(2, halves - 2 * outwards)
                if value > 0:
                    lines[half - 1 - outwards][column] = (_UP[filled], up)
                else:
                    lines[half + outwards][column] = (_DOWN[filled], down)
        return lines


def _strip(palette: Palette, columns: list[Column]) -> list[Cell]:
    known: dict[str, Cell] = {}
    nothing = ("─", palette.rule)
    cells: list[Cell] = []
    for column in columns:
        if not column:
            cells.append(nothing)
            continue
        label = next(iter(column)) if len(column) == 1 else max(column, key=column.__getitem__)
        cell = known.get(label)
        if cell is None:
            cell = known[label] = (glyph(label), palette.style(palette.emotion(label)))
        cells.append(cell)
    return cells


def _drawn(name: str, style: Style, cells: list[Cell]) -> Text:
    """The name and then the cells. Cells that look alike are one span, because hundreds of columns are drawn often."""
    begin = at = len(name)
    spans = [Span(0, at, style)]
    if not cells:
        return Text(name, spans=spans)
    last = cells[0][1]
    for _, look in cells:
        if look is not last:
            spans.append(Span(begin, at, last))
            begin, last = at, look
        at += 1
    spans.append(Span(begin, at, last))
    return Text(name + "".join([sign for sign, _ in cells]), spans=spans)
