"""Now: the newest utterance's calibrated probabilities in label order, and what words and voice say apart."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from livemerc.dashboard.palette import Palette, glyph
from livemerc.dashboard.panels.panel import Panel, spread
from livemerc.dashboard.state.branches import disagree, side_by_side
from livemerc.dashboard.state.course import NOT_SURE
from livemerc.dashboard.state.utterance import Estimate, Utterance, top
from livemerc.notation import clock, fraction
from livemerc.text_safety import sure_width

_EIGHTHS = " ▏▎▍▌▋▊▉"
_TABLE_WIDTH = 40  # cells; below it there is no room for the columns of words and voice


class NowPanel(Panel):
    """Tall: a table with a row a label and a column each for words and voice. Flat: columns of bars, two or more."""

    def lines(self, width: int, height: int) -> list[Text]:
        inner = width - 2
        tall = height >= len(self.state.labels) + 2
        body = self._tall(inner) if tall else self._flat(inner, height)
        return [Text.assemble(" ", line) for line in body[:height]]

    def key(self) -> object:
        newest = self.state.newest
        return len(self.state.labels), None if newest is None else (newest.utterance_id, newest.version, id(newest))

    def _flat(self, width: int, height: int) -> list[Text]:
        state, palette = self.state, self.palette
        estimate = state.newest.estimate if state.newest else None
        title = _title(palette, state.newest)
        if estimate is not None and estimate.abstained is not None:
            title.append(" ").append_text(_verdict(palette, state.newest))
        head = spread(title, _branches(palette, state.labels, estimate), width)
        columns = max(2, -(-len(state.labels) // max(1, height - 1)))
        rows = -(-len(state.labels) // columns)
        cells = (width - 3 * (columns - 1)) // columns
        lines = []
        for row in range(rows):
            line = Text()
            for index in range(row, len(state.labels), rows):
                line.append("   " if line else "")
                line.append_text(_bar_row(palette, state.labels, index, estimate, cells))
            lines.append(line)
        return [head, *lines]

    def _tall(self, width: int) -> list[Text]:
        state, palette = self.state, self.palette
        estimate = state.newest.estimate if state.newest else None
        table = width >= _TABLE_WIDTH
        lines = [_title(palette, state.newest)]
        verdict = _verdict(palette, state.newest)
        lines.append(spread(verdict, Text("words voice", style=palette.dim), width) if table else verdict)
        for index in range(len(state.labels)):
            bar = _bar_row(palette, state.labels, index, estimate, width - (12 if table else 0))
            if table:
                bar.append("  ")
                bar.append_text(_branch_cell(palette, state.labels, index, estimate.text if estimate else None))
                bar.append("  ")
                bar.append_text(_branch_cell(palette, state.labels, index, estimate.speech if estimate else None))
            lines.append(bar)
        if estimate is None:
            return lines
        said = Text(side_by_side(state.labels, estimate), style=palette.text)
        if disagree(state.labels, estimate):
            said = Text("≠ ", style=palette.style(palette.accent, bold=True)).append_text(said)
        return [*lines, Text(), said, Text(_why(estimate), style=palette.dim)]


def _title(palette: Palette, utterance: Utterance | None) -> Text:
    if utterance is None:
        return Text().append("NOW", style=palette.title)
    line = Text().append("NOW ", style=palette.title)
    line.append(clock(utterance.start_s), style=palette.dim)
    if utterance.speaker:
        line.append(
            f" {sure_width(utterance.speaker)}", style=palette.style(palette.speaker(utterance.coloured), bold=True)
        )
    return line


def _verdict(palette: Palette, utterance: Utterance | None) -> Text:
    estimate = utterance.estimate if utterance is not None else None
    if utterance is None or estimate is None:
        return Text("nobody has spoken yet", style=palette.dim)
    shown = estimate.shown
    settled = estimate.settled
    line = Text("" if settled else "~", style=palette.dim)
    style = palette.style(palette.emotion(shown), bold=settled, italic=not settled)
    line.append(f"{glyph(shown)} {sure_width(shown)}", style=style)
    if shown != NOT_SURE:
        line.append(f" {fraction(estimate.confidence)}", style=style)
    if utterance.was is not None:
        line.append(f" was {glyph(utterance.was)} {sure_width(utterance.was)}", style=palette.dim)
    return line


def _why(estimate: Estimate) -> str:
    """How firm the estimate is, in a few words."""
    if estimate.abstained is not None:
        return f"not sure: {sure_width(estimate.abstained)}"
    return {
        "partial": "~ while somebody still speaks",
        "provisional": "~ may still be revised",
        "revised": "~ revised, may be again",
        "frozen": "settled",
    }[estimate.status]


def _bar_row(palette: Palette, labels: Sequence[str], index: int, estimate: Estimate | None, width: int) -> Text:
    """`▲ joy      ██████▌        .64`"""
    label = labels[index]
    colour = palette.emotion(label)
    known = estimate is not None and index < len(estimate.probabilities)
    probability = estimate.probabilities[index] if estimate is not None and known else 0.0
    best = estimate is not None and known and estimate.label == label
    name = 8
    line = Text(f"{glyph(label)} {sure_width(label)[:name]:<{name}} ", style=palette.style(colour, bold=best))
    line.append_text(share_bar(palette, colour, probability, width - name - 3 - 5))
    value = fraction(probability) if known else ""
    line.append(f"{value:>5}", style=palette.style(palette.foreground, bold=True) if best else palette.dim)
    return line


def share_bar(palette: Palette, colour: str, share: float, width: int) -> Text:
    """A bar in eighths of a cell, so that a change of one point is visible at 12 cells."""
    eighths = max(0, min(width * 8, round(share * width * 8)))
    whole, rest = divmod(eighths, 8)
    line = Text("█" * whole + (_EIGHTHS[rest] if rest else ""), style=palette.style(colour))
    line.append("·" * (width - whole - (rest > 0)), style=palette.rule)
    return line


def _branch_cell(palette: Palette, labels: Sequence[str], index: int, vector: tuple[float, ...] | None) -> Text:
    if vector is None or index >= len(vector):
        return Text("  ·", style=palette.rule)
    best = index == max(range(len(vector)), key=vector.__getitem__)
    style = palette.style(palette.emotion(labels[index]), bold=True) if best else palette.dim
    return Text(f"{fraction(vector[index]):>4}", style=style)


def _branch(palette: Palette, name: str, labels: Sequence[str], vector: tuple[float, ...] | None) -> Text:
    line = Text(f"{name} ", style=palette.dim)
    if vector is None:
        return line.append("none", style=palette.dim)
    label, probability = top(labels, vector)
    return line.append(
        f"{glyph(label)} {sure_width(label)} {fraction(probability)}", style=palette.style(palette.emotion(label))
    )


def _branches(palette: Palette, labels: Sequence[str], estimate: Estimate | None) -> Text:
    """`words · neutral .71   voice ■ anger .55`"""
    if estimate is None:
        return Text("nobody has spoken yet", style=palette.dim)
    line = _branch(palette, "words", labels, estimate.text)
    line.append(" ≠ " if disagree(labels, estimate) else "   ", style=palette.style(palette.accent, bold=True))
    return line.append_text(_branch(palette, "voice", labels, estimate.speech))
