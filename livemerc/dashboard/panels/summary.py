"""Summary: how the voiced time divides, among labels and among speakers, the strongest moments, and how often the
expressed emotion shifts."""

from __future__ import annotations

from rich.text import Text

from livemerc.dashboard.palette import Palette, glyph
from livemerc.dashboard.panels.bars import share_bar
from livemerc.dashboard.panels.panel import Panel, spread
from livemerc.dashboard.panels.talk_rows import talk_in_head, talk_rows
from livemerc.dashboard.state.utterance import Utterance
from livemerc.notation import clock, fraction
from livemerc.text_safety import sure_width

_SPEAKERS = 4
"""At most so many have a row."""
_BESIDE_WIDTH = 56
"""From this many cells on, the moments stand beside the shares where there is no room below."""


class SummaryPanel(Panel):
    """Tall: shares above, moments below. Flat: side by side."""

    def lines(self, width: int, height: int) -> list[Text]:
        inner = width - 2
        shares = self._shares(inner)
        spare = height - len(shares) - 2  # beyond head, shares and the last row, which stays empty
        talk = talk_rows(self.palette, self.state.talk(), inner, min(_SPEAKERS, spare - 2), self.state.coloured)
        if talk:
            shares += [Text(), *talk]
        if height >= len(shares) + 5:
            count = min(10, height - len(shares) - 4)
            body = [self._head(inner, talk), *shares, Text(), *self._moments(inner, count)]
        elif talk:
            body = [self._head(inner, talk), *shares]
        elif inner >= _BESIDE_WIDTH:
            left = (inner - 3) * 2 // 5
            shares, moments = self._shares(left), self._moments(inner - left - 3, height - 2)
            empty = Text(" " * left)
            rows = max(len(shares), len(moments))
            shares += [empty] * (rows - len(shares))
            moments += [Text()] * (rows - len(moments))
            body = [self._head(inner, [])]
            body += [Text.assemble(a, "   ", b) for a, b in zip(shares, moments, strict=True)]
        else:
            body = [self._head(inner, []), *shares]
        return [Text.assemble(" ", line) for line in body[:height]]

    def key(self) -> object:
        return self.state.version, int(self.state.duration_s)

    def _head(self, width: int, talk: list[Text]) -> Text:
        """`SESSION  7 utterances` and how many shifts a minute; where `talk` has no rows, the speakers' shares."""
        state, palette = self.state, self.palette
        count = state.forgotten + sum(1 for u in state.utterances[-2:] if u.final) + max(0, len(state.utterances) - 2)
        left = Text().append("SESSION ", style=palette.title)
        left.append(f"{count} utterance{'s' if count != 1 else ''}", style=palette.text)
        shifts, minutes = len(state.shifts_s()), state.duration_s / 60
        right = Text(f"{shifts} shift{'s' if shifts != 1 else ''}", style=palette.text)
        if minutes >= 0.25:  # in less time a rate says nothing
            right.append(f", {shifts / minutes:.1f}/min", style=palette.dim)
        speakers = Text() if talk else talk_in_head(palette, state.talk(), state.coloured)
        if left.cell_len + speakers.cell_len + right.cell_len + 1 <= width:
            left.append_text(speakers)
        return spread(left, right, width)

    def _shares(self, width: int) -> list[Text]:
        """How the voiced time divides, the largest share first."""
        palette = self.palette
        lines = []
        for label, share in self.state.course.shares().items():
            colour = palette.emotion(label)
            line = Text(f"{glyph(label)} {sure_width(label)[:8]:<8} ", style=palette.style(colour))
            line.append_text(share_bar(palette, colour, share, width - 16))
            line.append(f"{share:>4.0%}".rjust(5), style=palette.text)
            lines.append(line)
        return lines or [Text("nothing is judged yet", style=palette.dim)]

    def _moments(self, width: int, count: int) -> list[Text]:
        moments = self.state.strongest(count)
        if count < 1 or not self.state.judged:
            return []
        if not moments:
            return [Text("no moment stands out", style=self.palette.dim)]
        head = (
            Text()
            .append("STRONGEST", style=self.palette.title)
            .append(", the surest that are not neutral", self.palette.dim)
        )
        head.truncate(width, overflow="ellipsis")
        return [head, *(_moment(self.palette, moment, width) for moment in moments)]


def _moment(palette: Palette, utterance: Utterance, width: int) -> Text:
    """`00:02 ▲ joy .77  Robert: of course I came`"""
    estimate = utterance.estimate
    assert estimate is not None
    line = Text(f"{clock(utterance.start_s)} ", style=palette.dim)
    style = palette.style(palette.emotion(estimate.label), bold=estimate.settled, italic=not estimate.settled)
    line.append(f"{glyph(estimate.label)} {sure_width(estimate.label)} {fraction(estimate.confidence)} ", style=style)
    if utterance.speaker:
        line.append(
            f"{sure_width(utterance.speaker)} ", style=palette.style(palette.speaker(utterance.coloured), bold=True)
        )
    line.append(sure_width(utterance.text) or "(voice only)", style=palette.text)
    line.truncate(width, overflow="ellipsis")
    return line
