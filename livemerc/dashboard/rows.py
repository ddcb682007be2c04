"""One utterance as rows of the transcript: when, how it was expressed, who, and the words."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style

from livemerc.dashboard.course import NOT_SURE
from livemerc.dashboard.palette import Palette, glyph
from livemerc.dashboard.state import Utterance
from livemerc.dashboard.wrapping import wrap
from livemerc.notation import clock, fraction
from livemerc.text_safety import sure_width

_LABEL_CELLS = 8
_ESTIMATE_CELLS = 2 + 1 + _LABEL_CELLS + 1 + 3  # "~▲ surprise .82"
_CURSOR = "▌"
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


Run = tuple[str, str]  # text and its role: words, partial, doubt, was


def runs(utterance: Utterance) -> list[Run]:
    """What stands in the words' column, in pieces that are styled alike."""
    words = sure_width(utterance.text)
    estimate = utterance.estimate
    if not utterance.final:
        return [(f"{words} {_CURSOR}" if words else _CURSOR, "partial")]
    pieces: list[Run] = [(words, "doubtful" if utterance.gated else "words")] if words else []
    if utterance.gated:
        why = sure_width(utterance.gated)
        pieces.append((f"(words doubtful: {why})" if words else f"({why})", "doubt"))
    elif not words:
        pieces.append(("(voice only)", "doubt"))
    if estimate is not None and estimate.abstained:
        pieces.append((f"({sure_width(estimate.abstained)})", "doubt"))
    if utterance.was is not None:
        was = f"was {glyph(utterance.was)} {sure_width(utterance.was)}"
        pieces.append((was.replace(" ", _TIED), "was"))
    return pieces


def height(utterance: Utterance, columns: Columns) -> int:
    """Rows that `render` gives; cheap, so that thousands can be measured after a resize."""
    return len(wrap(" ".join(text for text, _ in runs(utterance)), columns.words))


def render(utterance: Utterance, columns: Columns, palette: Palette) -> list[list[Segment]]:
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
    for start, end in wrap(text, columns.words):
        head = _head(utterance, columns, palette) if not rows else [Segment(" " * columns.words_at)]
        rows.append(head + _cut(text, start, end, spans))
    return rows


def _cut(text: str, start: int, end: int, spans: list[tuple[int, Style]]) -> list[Segment]:
    segments = []
    for until, style in spans:
        if start < until and start < end:
            segments.append(Segment(text[start : min(end, until)].replace(_TIED, " "), style))
            start = min(end, until)
    return segments


def _head(utterance: Utterance, columns: Columns, palette: Palette) -> list[Segment]:
    segments = [Segment(f" {clock(utterance.start_s):>{columns.time}} ", palette.dim), *_estimate(utterance, palette)]
    segments.append(Segment("  "))
    if columns.speaker:
        name = set_cell_size(sure_width(utterance.speaker or ""), columns.speaker)
        segments.append(Segment(name + " ", palette.style(palette.foreground, bold=True)))
    return segments


def _estimate(utterance: Utterance, palette: Palette) -> list[Segment]:
    """` ▲ joy      .82`; `~` and italic until it is settled, bold once it is."""
    estimate = utterance.estimate
    if estimate is None:
        waiting = "listening" if not utterance.final else "judging"
        return [Segment(f"  {waiting:<{_ESTIMATE_CELLS - 2}}", palette.dim)]
    shown = estimate.shown
    settled = estimate.status == "frozen"
    style = palette.style(palette.emotion(shown), bold=settled and shown != NOT_SURE, italic=not settled)
    name = set_cell_size(sure_width(shown), _LABEL_CELLS)
    confidence = "   " if shown == NOT_SURE else fraction(estimate.confidence)
    return [
        Segment(" " if settled else "~", palette.dim),
        Segment(f"{glyph(shown)} {name} ", style),
        Segment(confidence, style),
    ]
