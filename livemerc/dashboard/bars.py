"""Now: the newest utterance's calibrated probabilities in label order, and what words and voice say apart."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from livemerc.dashboard.course import NOT_SURE
from livemerc.dashboard.palette import Palette, glyph
from livemerc.dashboard.panel import Panel, spread
from livemerc.dashboard.state import Estimate, Utterance, top
from livemerc.notation import clock, fraction
from livemerc.text_safety import sure_width

_EIGHTHS = " ▏▎▍▌▋▊▉"
_TABLE_WIDTH = 40  # cells that the bars with a column each for words and voice need


class NowPanel(Panel):
    """Tall: a table with a row a label and a column each for words and voice. Flat: columns of bars, two or more."""

    def lines(self, width: int, height: int) -> list[Text]:
        inner = width - 2
        tall = height >= len(self.state.labels) + 2
        body = self._tall(inner, height) if tall else self._flat(inner, height)
        return [Text.assemble(" ", line) for line in body[:height]]

    def _flat(self, width: int, height: int) -> list[Text]:
        state, palette = self.state, self.palette
        estimate = state.newest.estimate if state.newest else None
        title = _title(palette, state.newest)
        if estimate is not None and estimate.abstained is not None:
            title.append(" ").append_text(_verdict(palette, estimate))
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

    def _tall(self, width: int, height: int) -> list[Text]:
        state, palette = self.state, self.palette
        estimate = state.newest.estimate if state.newest else None
        table = width >= _TABLE_WIDTH
        head = _title(palette, state.newest)
        lines = [head, Text()]
        if table:
            lines[1] = spread(_verdict(palette, estimate), Text("words voice", style=palette.dim), width)
        else:
            lines[1] = _verdict(palette, estimate)
        for index in range(len(state.labels)):
            bar = _bar_row(palette, state.labels, index, estimate, width - (12 if table else 0))
            if table:
                bar.append("  ")
                bar.append_text(_branch_cell(palette, state.labels, index, estimate.text if estimate else None))
                bar.append("  ")
                bar.append_text(_branch_cell(palette, state.labels, index, estimate.speech if estimate else None))
            lines.append(bar)
        lines += [Text(), *_side_by_side(palette, state.labels, estimate, width)]
        if height >= len(lines) + len(state.labels):
            lines += [Text(), *self._shares(width)]
        return lines

    def _shares(self, width: int) -> list[Text]:
        """How the voiced time divides, the largest share first."""
        palette = self.palette
        shares = self.state.course.shares()
        lines = [spread(Text("SESSION", style=palette.dim), Text("share of the voiced time", style=palette.dim), width)]
        for label, share in shares.items():
            colour = palette.emotion(label)
            line = Text(f"{glyph(label)} {sure_width(label)[:8]:<8} ", style=palette.style(colour))
            line.append_text(_bar(palette, colour, share, width - 16))
            line.append(f"{share:>4.0%}".rjust(5), style=palette.text)
            lines.append(line)
        return lines


def _title(palette: Palette, utterance: Utterance | None) -> Text:
    if utterance is None:
        return Text("NOW", style=palette.dim)
    line = Text("NOW ", style=palette.dim)
    line.append(clock(utterance.start_s), style=palette.dim)
    if utterance.speaker:
        line.append(f" {sure_width(utterance.speaker)}", style=palette.style(palette.foreground, bold=True))
    return line


def _verdict(palette: Palette, estimate: Estimate | None) -> Text:
    if estimate is None:
        return Text("nobody has spoken yet", style=palette.dim)
    shown = estimate.shown
    settled = estimate.status == "frozen"
    line = Text("" if settled else "~", style=palette.dim)
    style = palette.style(palette.emotion(shown), bold=settled, italic=not settled)
    line.append(f"{glyph(shown)} {sure_width(shown)}", style=style)
    if shown != NOT_SURE:
        line.append(f" {fraction(estimate.confidence)}", style=style)
    return line


def _bar_row(palette: Palette, labels: Sequence[str], index: int, estimate: Estimate | None, width: int) -> Text:
    """`▲ joy      ██████▌        .64`"""
    label = labels[index]
    colour = palette.emotion(label)
    known = estimate is not None and index < len(estimate.probabilities)
    probability = estimate.probabilities[index] if estimate is not None and known else 0.0
    best = estimate is not None and known and estimate.label == label
    name = 8
    line = Text(f"{glyph(label)} {sure_width(label)[:name]:<{name}} ", style=palette.style(colour, bold=best))
    line.append_text(_bar(palette, colour, probability, width - name - 3 - 5))
    value = fraction(probability) if known else ""
    line.append(f"{value:>5}", style=palette.style(palette.foreground, bold=True) if best else palette.dim)
    return line


def _bar(palette: Palette, colour: str, share: float, width: int) -> Text:
    """Eighths of a cell: a change of one point is visible at 12 cells."""
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


def _disagree(labels: Sequence[str], estimate: Estimate) -> bool:
    text, speech = estimate.text, estimate.speech
    return text is not None and speech is not None and top(labels, text)[0] != top(labels, speech)[0]


def _branches(palette: Palette, labels: Sequence[str], estimate: Estimate | None) -> Text:
    """`words · neutral .71   voice ■ anger .55`"""
    if estimate is None:
        return Text("nobody has spoken yet", style=palette.dim)
    line = _branch(palette, "words", labels, estimate.text)
    line.append(" ≠ " if _disagree(labels, estimate) else "   ", style=palette.style(palette.accent, bold=True))
    return line.append_text(_branch(palette, "voice", labels, estimate.speech))


def _side_by_side(palette: Palette, labels: Sequence[str], estimate: Estimate | None, width: int) -> list[Text]:
    if estimate is None:
        return [Text("words none", style=palette.dim), Text("voice none", style=palette.dim)]
    note = Text("they disagree", style=palette.style(palette.accent)) if _disagree(labels, estimate) else Text()
    return [
        _branch(palette, "words", labels, estimate.text),
        spread(_branch(palette, "voice", labels, estimate.speech), note, width),
    ]
