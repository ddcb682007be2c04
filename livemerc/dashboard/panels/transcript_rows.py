"""One utterance as rows of the transcript: when, how it was expressed, who, and the words."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

from livemerc.dashboard.palette import Palette, glyph
from livemerc.dashboard.panels.wrapping import in_cells, wrap
from livemerc.dashboard.state.course import NOT_SURE
from livemerc.dashboard.state.utterance import Utterance
from livemerc.notation import clock, fraction
from livemerc.sessions.talk import length_s
from livemerc.text_safety import sure_width

_LABEL_CELLS = 8
_ESTIMATE_CELLS = 2 + 1 + _LABEL_CELLS + 1 + 3  # "~▲ surprise .82"
_CURSOR = "▌"
_CHANGES_SHOWN = 3
_TIED = "\u00a0"  # a space at which no line is cut; `sure_width` leaves none in what was said


@dataclass(frozen=True, slots=True)
class Columns:
    """Cells of each column; the words get what is left."""

    width: int
    time: int = 5
    speaker: int = 0  # 0: nobody has a name, so there is no such column

    @property
    def words_at(self) -> int:
        return 1 + self.time + 1 + _ESTIMATE_CELLS + 2 + (self.speaker + 1 if self.speaker else 0)

    @property
    def words(self) -> int:
        return max(8, self.width - self.words_at - 1)


Run = tuple[str, str]  # text and its role: words, partial, doubtful, doubt, was


@dataclass(frozen=True, slots=True)
class Marked:
    """What is marked on an utterance: a bookmark, the reader's choice, what is searched for (in lower case)."""

    bookmark: bool = False
    selected: bool = False
    query: str = ""


UNMARKED = Marked()
BOOKMARK = "★"


def runs(utterance: Utterance) -> list[Run]:
    """What stands in the words' column, cut into pieces of one style each."""
    words = sure_width(utterance.text)
    estimate = utterance.estimate
    if not utterance.final:
        growing: list[Run] = [(f"{words} {_CURSOR}" if words else _CURSOR, "partial")]
        return [*growing, ("(so far, by the voice)", "doubt")] if estimate is not None else growing
    pieces: list[Run] = [(words, "doubtful" if utterance.gated else "words")] if words else []
    if utterance.gated:
        why = sure_width(utterance.gated)
        pieces.append((f"(words doubtful: {why})" if words else f"({why})", "doubt"))
    elif not words:
        pieces.append(("(voice only)", "doubt"))
    elif utterance.late:
        pieces.append(("(the words came late)", "doubt"))
    if utterance.overlaps:
        pieces.append((f"({length_s(utterance.overlaps):.1f} s overlap)".replace(" ", _TIED), "doubt"))
    if estimate is not None and estimate.abstained:
        pieces.append((f"({sure_width(estimate.abstained)})", "doubt"))
    if utterance.changes:
        was = " › ".join(f"{glyph(label)} {sure_width(label)}" for label in utterance.changes[-_CHANGES_SHOWN:])
        pieces.append((f"was {was}".replace(" ", _TIED), "was"))
    return pieces


def height(utterance: Utterance, columns: Columns) -> int:
    """How many rows `render` gives. It is cheap, so that thousands can be measured after a resize."""
    return len(wrap(" ".join(text for text, _ in runs(utterance)), columns.words))


def render(utterance: Utterance, columns: Columns, palette: Palette, marked: Marked = UNMARKED) -> list[list[Segment]]:
    """Segments of each row; none is wider than `columns.width`."""
    pieces = runs(utterance)
    text = " ".join(piece for piece, _ in pieces)
    styles = {
        "words": palette.text,
        "partial": palette.style(palette.muted, italic=True),
        "doubtful": palette.style(palette.muted, italic=True),
        "doubt": palette.dim,
        "was": palette.style(palette.emotion(utterance.was), italic=True) if utterance.was else palette.dim,
    }
    spans: list[tuple[int, Style]] = []
    at = 0
    for piece, role in pieces:
        at += len(piece) + 1
        spans.append((at, styles[role]))
    rows: list[list[Segment]] = []
    found = _found(text, marked.query)
    for start, end in wrap(text, columns.words):
        head = _head(utterance, columns, palette, marked) if not rows else [Segment(" " * columns.words_at)]
        rows.append(head + _lit(_cut(text, start, end, spans), start, found, palette))
    if marked.selected:
        return [_as_selected(row, columns.width, palette) for row in rows]
    return rows


def matches(utterance: Utterance, query: str) -> bool:
    """Whether its words, its speaker or its label hold `query` (lower case)."""
    label = utterance.estimate.shown if utterance.estimate is not None else ""
    return any(query in sure_width(text).lower() for text in (utterance.text, utterance.speaker or "", label))


def _found(text: str, query: str) -> list[tuple[int, int]]:
    lower = text.lower()
    if not query or len(lower) != len(text):  # where a character changes its length in lower case, nothing is lit
        return []
    found, at = [], lower.find(query)
    while at >= 0:
        found.append((at, at + len(query)))
        at = lower.find(query, at + len(query))
    return found


def _lit(segments: list[Segment], at: int, found: list[tuple[int, int]], palette: Palette) -> list[Segment]:
    """What was found stands out also without colour, because it is reversed."""
    if not found:
        return segments
    lit = []
    for text, style, _ in segments:
        cuts = sorted({0, len(text), *(min(max(0, edge - at), len(text)) for span in found for edge in span)})
        for low, high in itertools.pairwise(cuts):
            inside = any(start <= at + low < end for start, end in found)
            lit.append(Segment(text[low:high], palette.found if inside else style))
        at += len(text)
    return lit


def _as_selected(row: list[Segment], width: int, palette: Palette) -> list[Segment]:
    ground = Style(bgcolor=palette.selected)
    room = width - sum(cell_len(segment.text) for segment in row)
    lit = [Segment(text, (style or Style()) + ground if style != palette.found else style) for text, style, _ in row]
    lit.append(Segment(" " * room, ground))
    if lit and lit[0].text.startswith(" "):  # a sign besides the colour
        lit[0] = Segment("›" + lit[0].text[1:], palette.style(palette.accent, bold=True) + ground)
    return lit


def _cut(text: str, start: int, end: int, spans: list[tuple[int, Style]]) -> list[Segment]:
    segments = []
    for until, style in spans:
        if start < until and start < end:
            segments.append(Segment(text[start : min(end, until)].replace(_TIED, " "), style))
            start = min(end, until)
    return segments


def _head(utterance: Utterance, columns: Columns, palette: Palette, marked: Marked) -> list[Segment]:
    sign = BOOKMARK if marked.bookmark else " "
    segments = [
        Segment(sign, palette.style(palette.accent, bold=True)),
        Segment(f"{clock(utterance.start_s):>{columns.time}} ", palette.dim),
        *_estimate(utterance, palette),
    ]
    segments.append(Segment("  "))
    if columns.speaker:
        name = in_cells(sure_width(utterance.speaker or ""), columns.speaker)
        segments.append(Segment(name + " ", palette.style(palette.speaker(utterance.coloured), bold=True)))
    return segments


def _estimate(utterance: Utterance, palette: Palette) -> list[Segment]:
    """` ▲ joy      .82`; `~` and italic until it is settled, bold once it is; grey while somebody still speaks."""
    estimate = utterance.estimate
    if estimate is None:
        waiting = "listening" if not utterance.final else "judging"
        return [Segment(f"  {waiting:<{_ESTIMATE_CELLS - 2}}", palette.dim)]
    shown = estimate.shown
    settled = estimate.settled
    colour = palette.emotion(shown) if utterance.final else palette.muted
    style = palette.style(colour, bold=settled and shown != NOT_SURE, italic=not settled)
    name = set_cell_size(sure_width(shown), _LABEL_CELLS)
    confidence = "   " if shown == NOT_SURE else fraction(estimate.confidence)
    return [
        Segment(" " if settled else "~", palette.dim),
        Segment(f"{glyph(shown)} {name} ", style),
        Segment(confidence, style),
    ]
