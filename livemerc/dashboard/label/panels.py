"""What the label screen shows: progress, the utterances, the current one with its neighbours, and what was saved."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.strip import Strip
from textual.widget import Widget

from livemerc.dashboard.keys import DIGITS
from livemerc.dashboard.palette import Palette, glyph, palette_of
from livemerc.dashboard.panels.wrapping import in_cells, wrap
from livemerc.dashboard.state.course import NOT_SURE
from livemerc.notation import clock, fraction
from livemerc.sessions.annotation import Annotation
from livemerc.sessions.session import RecordedUtterance
from livemerc.text_safety import sure_width

_SPEAKER_CELLS = 10
_LABEL_CELLS = 8
_WORD_ROWS = 3
NO_WORDS = "(no words)"


class LabelPanel(Widget):
    """Shows lines of styled text from the annotation; override `lines`."""

    can_focus = False

    def __init__(self, annotation: Annotation, *, id: str) -> None:
        super().__init__(id=id)
        self.annotation = annotation
        self._lines: list[Text] = []

    def lines(self, width: int, height: int) -> list[Text]:
        """What to show in `width` x `height` cells."""
        return []

    @property
    def palette(self) -> Palette:
        return palette_of(self)

    def redraw(self) -> None:
        new = self.lines(self.size.width, self.size.height) if self.size.width else []
        if new != self._lines:
            self._lines = new
            self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        self.redraw()

    def render_line(self, y: int) -> Strip:
        style = self.rich_style
        if y >= len(self._lines):
            return Strip.blank(self.size.width, style)
        line = self._lines[y]
        if isinstance(line.style, Style) and not line.spans:  # Rich leaves it out of a text in one style
            line = Text.assemble((line.plain, line.style))
        segments = [s for s in line.render(self.app.console) if s.text != "\n"]
        return Strip(Segment.apply_style(segments, style)).adjust_cell_length(self.size.width, style)


class HeadPanel(LabelPanel):
    """Which session, how far, in which order."""

    def lines(self, width: int, height: int) -> list[Text]:
        a, palette = self.annotation, self.palette
        total = len(a.utterances)
        right = Text(f"{a.labelled}/{total} ", style=palette.style(palette.accent, bold=True))
        cells = 10 if width >= 80 else 6
        full = round(cells * a.labelled / total)
        right.append("━" * full, style=palette.style(palette.good))
        right.append("━" * (cells - full), style=palette.rule)
        right.append(" by time " if a.by_time else " least certain first ", style=palette.dim)
        room = max(0, width - right.cell_len - 2)
        name = in_cells(sure_width(a.session.name), room)
        return [Text(f" {name} ", style=palette.style(palette.foreground, bold=True)) + right]


class UtterancePanel(LabelPanel):
    """A row for each utterance, in the present order, the current one in the middle."""

    def lines(self, width: int, height: int) -> list[Text]:
        a = self.annotation
        count = len(a.order)
        first = max(0, min(a.position - height // 2, count - height))
        names = [sure_width(name) for name in a.speakers]
        speaker = min(_SPEAKER_CELLS, max(map(cell_len, names), default=0))
        return [
            self._row(a.utterances[a.order[position]], position == a.position, speaker, width)
            for position in range(first, min(count, first + height))
        ]

    def _row(self, utterance: RecordedUtterance, current: bool, speaker: int, width: int) -> Text:
        palette = self.palette
        text = Text(no_wrap=True)
        text.append("▸" if current else " ", style=palette.style(palette.accent, bold=True))
        text.append("✓" if utterance.labelled else " ", style=palette.style(palette.good, bold=True))
        mended = utterance.text != utterance.heard_text or utterance.speaker != utterance.heard_speaker
        text.append("✎ " if mended else "  ", style=palette.style(palette.accent))
        text.append(f"{clock(utterance.start_s)} ", style=palette.dim)
        text.append_text(verdict(utterance, palette))
        if speaker:
            text.append(" " + in_cells(sure_width(utterance.speaker or ""), speaker), style=palette.text)
        text.append(
            "  " + (sure_width(utterance.text) or NO_WORDS), style=palette.text if utterance.text else palette.dim
        )
        text.truncate(width, overflow="ellipsis")
        if current:
            text.stylize("bold")
        return text


def verdict(utterance: RecordedUtterance, palette: Palette) -> Text:
    """A person's label in bold; the model's in italics, with how sure it was."""
    person, estimate = utterance.corrected_emotion, utterance.estimate
    if utterance.nothing_to_judge:
        return Text(f"{'– nothing':<14}", style=palette.style(palette.muted, bold=True))
    if person is not None:
        name = f"{glyph(person)} {set_cell_size(sure_width(person), _LABEL_CELLS)}    "
        return Text(name, style=palette.style(palette.emotion(person), bold=True))
    if estimate is None:
        return Text(f"{'  -':<14}", style=palette.dim)
    shown = NOT_SURE if estimate.abstained else estimate.label
    name = (
        f"{glyph(shown)} {set_cell_size(sure_width(estimate.label), _LABEL_CELLS)} {fraction(estimate.confidence):<3}"
    )
    return Text(name, style=palette.style(palette.emotion(shown), italic=True))


class CurrentPanel(LabelPanel):
    """The current utterance between its neighbours in time, what the model said of it, and the keys of the labels."""

    def lines(self, width: int, height: int) -> list[Text]:
        a = self.annotation
        around = {by: a.utterances[a.index + by] for by in (-2, -1, 1) if 0 <= a.index + by < len(a.utterances)}
        keys = self._keys(width)
        model = self._model(width)
        words = self._words(width)
        spare = height - len(words) - len(model) - len(keys)
        before = [self._neighbour(around[by], width) for by in (-2, -1) if by in around][-max(0, min(2, spare - 1)) :]
        if spare < 2:
            before = []
        after = [self._neighbour(around[1], width)] if 1 in around and spare > len(before) else []
        rows = [*before, *words, *after]
        gap = [Text()] * (height - len(rows) - len(model) - len(keys))  # the keys stay where they are
        return [*rows, *gap, *model, *keys]

    def _neighbour(self, utterance: RecordedUtterance, width: int) -> Text:
        who = f"{sure_width(utterance.speaker)}: " if utterance.speaker else ""
        text = Text(
            f"   {clock(utterance.start_s)} {who}{sure_width(utterance.text) or NO_WORDS}",
            style=self.palette.dim,
            no_wrap=True,
        )
        text.truncate(width, overflow="ellipsis")
        return text

    def _words(self, width: int) -> list[Text]:
        palette, utterance = self.palette, self.annotation.current
        head = Text(f" ▸ {clock(utterance.start_s, tenths=True)} ", style=palette.style(palette.accent, bold=True))
        if utterance.speaker:
            head.append(
                f"{in_cells(sure_width(utterance.speaker), _SPEAKER_CELLS).rstrip()}: ",
                style=palette.style(palette.foreground, bold=True),
            )
        words = sure_width(utterance.text) or NO_WORDS
        if utterance.gated:
            words += f" (doubtful: {sure_width(utterance.gated)})"
        room = max(10, width - head.cell_len - 1)
        spans = wrap(words, room)
        rows = []
        for number, (start, end) in enumerate(spans[:_WORD_ROWS]):
            piece = words[start:end]
            if number == _WORD_ROWS - 1 and len(spans) > _WORD_ROWS:
                piece = set_cell_size(piece, room - 1).rstrip() + "…"
            front = head if not number else Text(" " * head.cell_len)
            rows.append(front + Text(piece, style=palette.style(palette.foreground, bold=True)))
        return rows

    def _model(self, width: int) -> list[Text]:
        palette, utterance = self.palette, self.annotation.current
        text = Text(" model ", style=palette.dim, no_wrap=True)
        if utterance.estimate is None:
            text.append("gave no label", style=palette.dim)
        else:
            likely = sorted(utterance.estimate.probabilities.items(), key=lambda item: -item[1])[:3]
            for label, probability in likely:
                text.append(
                    f"{glyph(label)} {sure_width(label)[:12]} {fraction(probability)}  ",
                    style=palette.style(palette.emotion(label)),
                )
            if utterance.estimate.abstained:
                text.append(f"not sure: {sure_width(utterance.estimate.abstained)}", style=palette.dim)
        text.truncate(width, overflow="ellipsis")
        return [text]

    def _keys(self, width: int) -> list[Text]:
        """`1 · neutral  2 ▲ joy ...`, with the person's own in reverse, in as many rows as it takes."""
        palette, utterance = self.palette, self.annotation.current
        person = utterance.corrected_emotion
        choices = [
            (key, f"{glyph(label)} {sure_width(label)[:14]}", palette.emotion(label), label == person)
            for key, label in zip(DIGITS, self.annotation.labels, strict=False)
        ]
        choices += [
            ("⏎", "model's", palette.foreground, False),
            ("0", "nothing to judge", palette.muted, utterance.nothing_to_judge),
        ]
        rows, row = [], Text(" ")
        for key, name, colour, chosen in choices:
            piece = Text(key, style=palette.style(palette.accent, bold=True))
            piece.append(f" {name} ", style=palette.style(colour, bold=chosen, reverse=chosen))
            if row.cell_len + piece.cell_len > width and row.cell_len > 1:
                rows.append(row)
                row = Text(" ")
            elif row.cell_len > 1 and row.cell_len + piece.cell_len < width:
                row.append(" ")
            row.append_text(piece)
        return [*rows, row]


class SavedPanel(LabelPanel):
    """What happened last: saved, not saved, playing, and why not."""

    def __init__(self, annotation: Annotation, note: str, *, id: str) -> None:
        super().__init__(annotation, id=id)
        self.note = note
        """What is said there unless something has gone wrong."""

    def lines(self, width: int, height: int) -> list[Text]:
        palette = self.palette
        if self.annotation.trouble is not None:
            text = Text(f" {sure_width(self.annotation.trouble)}", style=palette.alarm, no_wrap=True)
        else:
            text = Text(f" {sure_width(self.note)}", style=palette.dim, no_wrap=True)
        text.truncate(width, overflow="ellipsis")
        return [text]
