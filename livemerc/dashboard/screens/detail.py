"""One utterance in full: all probabilities, what words and voice say apart, revisions, timings, what the ASR heard."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from livemerc.dashboard.palette import Palette, glyph, palette_of
from livemerc.dashboard.panels.bars import share_bar
from livemerc.dashboard.panels.panel import spread
from livemerc.dashboard.panels.transcript import Transcript
from livemerc.dashboard.state.branches import disagree, side_by_side
from livemerc.dashboard.state.course import NOT_SURE
from livemerc.dashboard.state.session import SessionState
from livemerc.dashboard.state.utterance import Estimate, Utterance, Vector
from livemerc.notation import clock, fraction
from livemerc.text_safety import sure_width

_NAME_CELLS = 11
_STATUS = {"partial": "while speaking", "provisional": "first", "revised": "revised", "frozen": "settled"}


class DetailScreen(ModalScreen[None]):
    """The utterance that is selected in `transcript`: its estimates as they are revised, its neighbours by key."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter", "dismiss", "Back", key_display="Esc"),
        Binding("left,k", "neighbour(-1)", "Before", key_display="←"),
        Binding("right,j", "neighbour(1)", "Next", key_display="→"),
        Binding("up", "scroll(-1)", show=False),
        Binding("down", "scroll(1)", show=False),
        Binding("b", "app.bookmark", show=False),
        Binding("q", "app.leave", show=False),  # a modal screen hides the app's own keys
    ]

    def __init__(self, state: SessionState, transcript: Transcript) -> None:
        super().__init__()
        self._state = state
        self._transcript = transcript
        self._shown: tuple[str, int, int, str] | None = None

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="detail", can_focus=False):
            yield Static(id="detail-text", markup=False)

    def on_mount(self) -> None:
        self.redraw()

    def on_resize(self) -> None:
        self.redraw()

    def redraw(self) -> None:
        """Draws only what has changed since the last time."""
        utterance, palette = self._transcript.selected, palette_of(self)
        width = max(30, min(self.app.size.width, 100) - 6)
        if utterance is None or not self.is_mounted:  # the app draws also before this has its widgets
            return
        shown = (utterance.utterance_id, utterance.version, width, palette.name)
        if shown != self._shown:
            self._shown = shown
            self.query_one("#detail-text", Static).update(detail(self._state, utterance, palette, width))

    def action_neighbour(self, step: int) -> None:
        self._transcript.select_next(step)
        self.query_one("#detail", VerticalScroll).scroll_home(animate=False)
        self.redraw()

    def action_scroll(self, step: int) -> None:
        self.query_one("#detail", VerticalScroll).scroll_relative(y=step, animate=False)


def detail(state: SessionState, utterance: Utterance, palette: Palette, width: int) -> Text:
    """Everything that is known of `utterance`, in lines of at most `width` cells."""
    lines = [_title(utterance, palette, width), Text()]
    words = Text(sure_width(utterance.text) or "(no words)", style=palette.text if utterance.text else palette.dim)
    if utterance.gated:
        words.append(f" (words doubtful: {sure_width(utterance.gated)}; not judged)", style=palette.dim)
    lines += [words, Text()]
    estimate = utterance.estimate
    if estimate is None:
        lines.append(Text("being said" if not utterance.final else "being judged", style=palette.dim))
    else:
        lines += _verdict(estimate, palette)
        lines += _because(state, utterance, palette, width)
        lines += _table(state.labels, estimate, palette, width)
        lines.append(Text())
        said = side_by_side(state.labels, estimate)
        sign = "≠ " if disagree(state.labels, estimate) else ""
        lines += [Text.assemble((sign, palette.style(palette.accent, bold=True)), (said, palette.text)), Text()]
        lines += _revisions(utterance, palette)
    lines += [Text(), *_facts(utterance, palette)]
    return Text("\n").join(lines)


def _title(utterance: Utterance, palette: Palette, width: int) -> Text:
    left = Text(clock(utterance.start_s, tenths=True), style=palette.text)
    if utterance.end_s is not None:
        left.append(f" - {clock(utterance.end_s, tenths=True)}  {utterance.length_s:.1f} s", style=palette.dim)
    if utterance.speaker:
        left.append(
            f"  {sure_width(utterance.speaker)}", style=palette.style(palette.speaker(utterance.coloured), bold=True)
        )
    keys = "Esc back  ←→ others  ↑↓ scroll"
    return spread(left, Text(keys if left.cell_len + len(keys) + 2 <= width else "Esc", style=palette.dim), width)


def _verdict(estimate: Estimate, palette: Palette) -> list[Text]:
    style = palette.style(palette.emotion(estimate.shown), bold=estimate.settled, italic=not estimate.settled)
    line = Text("" if estimate.settled else "~", style=palette.dim)
    line.append(f"{glyph(estimate.shown)} {sure_width(estimate.shown)}", style=style)
    if estimate.shown == NOT_SURE:
        line.append(f": {sure_width(estimate.abstained or '')}", style=palette.dim)
        line.append(f"  (best guess {sure_width(estimate.label)} {fraction(estimate.confidence)})", style=palette.dim)
    else:
        line.append(f" {fraction(estimate.confidence)}", style=style)
    return [line]


def _because(state: SessionState, utterance: Utterance, palette: Palette, width: int) -> list[Text]:
    """What the label went by where it shifted; nothing where no single utterance decides it."""
    because = None if utterance.shift is None else utterance.shift[1]
    cause = None if because is None else state.find(because)
    if cause is None:
        return []
    line = Text(f"because of {clock(cause.start_s)}", style=palette.text)
    line.append(f"  {sure_width(cause.speaker)}" if cause.speaker else "", style=palette.foreground)
    line.append(f"  {sure_width(cause.text)}" if cause.text else "", style=palette.dim)
    line.truncate(width, overflow="ellipsis")
    return [line]


def _table(labels: list[str], estimate: Estimate, palette: Palette, width: int) -> list[Text]:
    vectors = (estimate.probabilities, estimate.text, estimate.speech)
    lines = [spread(Text(), Text("both words voice", style=palette.dim), width)]
    for index, label in enumerate(labels[: len(estimate.probabilities)]):
        colour = palette.emotion(label)
        line = Text(f"{glyph(label)} {sure_width(label)[:8]:<8} ", style=palette.style(colour))
        line.append_text(share_bar(palette, colour, estimate.probabilities[index], width - _NAME_CELLS - 18))
        for vector in vectors:
            line.append_text(_cell(vector, index, palette))
        lines.append(line)
    return lines


def _cell(vector: Vector | None, index: int, palette: Palette) -> Text:
    if vector is None or index >= len(vector):
        return Text("-".rjust(6), style=palette.rule)
    best = vector[index] == max(vector)
    style = palette.style(palette.foreground, bold=True) if best else palette.dim
    return Text(f"{vector[index]:.3f}"[1 if vector[index] < 0.9995 else 0 :].rjust(6), style=style)


def _revisions(utterance: Utterance, palette: Palette) -> list[Text]:
    assert utterance.estimate is not None
    lines = []
    for number, estimate in enumerate((*utterance.earlier, utterance.estimate)):
        name = "estimates" if not number else ""
        line = Text(f"{name:<{_NAME_CELLS}}", style=palette.dim)
        line.append(f"{_STATUS[estimate.status]:<15}", style=palette.dim)
        shown = estimate.shown
        line.append(f"{glyph(shown)} {sure_width(shown)}", style=palette.style(palette.emotion(shown)))
        line.append(f" {fraction(estimate.confidence)}" if shown != NOT_SURE else "", style=palette.text)
        lines.append(line)
    return lines


def _facts(utterance: Utterance, palette: Palette) -> list[Text]:
    facts: list[tuple[str, str]] = []
    if utterance.final:
        sure = utterance.asr_confidence
        heard = f"{sure_width(utterance.asr) or '-'}, " + (f"{sure:.0%} sure of the words" if sure is not None else "-")
        facts.append(("words by", heard + (", they came late" if utterance.late else "")))
    if utterance.overlaps:
        when = ", ".join(
            f"{clock(start_s, tenths=True)} to {clock(end_s, tenths=True)}" for start_s, end_s in utterance.overlaps
        )
        facts.append(("overlap", f"somebody else speaks, too: {when}"))
    timing = utterance.timing
    if timing is not None:
        parts = (
            ("endpoint", timing.endpoint_wait_ms), ("ASR", timing.asr_ms), ("encoders", timing.encode_ms),
            ("fusion", timing.fuse_ms), ("in all", timing.total_ms),
        )  # fmt: skip
        known = ", ".join(f"{name} {value:.0f}" for name, value in parts if value is not None)
        facts.append(("took, ms", known or "-"))
    facts.append(("id", sure_width(utterance.utterance_id)))
    return [Text.assemble((f"{name:<{_NAME_CELLS}}", palette.dim), (value, palette.text)) for name, value in facts]
