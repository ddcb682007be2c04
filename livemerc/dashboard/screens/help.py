"""How to read the screen, and its keys."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from livemerc.dashboard.palette import Palette, glyph, palette_of
from livemerc.dashboard.panels.timeline import GAP, PAUSE, SHIFTS
from livemerc.text_safety import sure_width

_COLUMN = 56
SIGNS = (
    ("~", "not settled: may still be revised"),
    ("was ▲", "what it was before a revision"),
    ("○ not sure", "no verdict, and why"),
    ("≠", "words and voice say different things"),
    ("tense, lively", "anger or fear, joy or surprise"),
    (".82", "calibrated probability"),
    (f"★ {GAP} {PAUSE} {SHIFTS[0]}", "bookmark, lost audio, paused, shift"),
    ("valence + -", "mean valence of the classes, -1 to 1"),
    ("latency", "end of speech to emotion, median/p95"),
    ("lag", "how far behind what is being said"),
)


class HelpScreen(ModalScreen[None]):
    """`keys`: what this screen can do now."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,enter", "dismiss", "Back"),
        Binding("up", "scroll(-1)", show=False),
        Binding("down", "scroll(1)", show=False),
        Binding("q", "app.leave", show=False),  # a modal screen hides the app's own keys
    ]

    def __init__(self, labels: list[str], keys: list[tuple[str, str]]) -> None:
        super().__init__()
        self._labels = labels
        self._keys = keys

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help-box", can_focus=False):
            yield Static(id="help", markup=False)

    def on_mount(self) -> None:
        self._fill()

    def on_resize(self) -> None:
        self._fill()

    def _fill(self) -> None:
        if not self.is_mounted:
            return
        wide = self.app.size.width >= 2 * _COLUMN + 6
        self.query_one("#help-box").styles.width = 2 * _COLUMN + 4 if wide else _COLUMN + 6
        self.query_one("#help", Static).update(_help(palette_of(self), self._labels, self._keys, wide))

    def action_scroll(self, step: int) -> None:
        self.query_one("#help-box", VerticalScroll).scroll_relative(y=step, animate=False)


def _help(palette: Palette, labels: list[str], keys: list[tuple[str, str]], wide: bool) -> Text:
    told = [
        *keys,
        ("Esc", "back; forget selection and search"),
        ("click", "select; again: details; on the course: go there"),
    ]
    left = [Text.assemble((f"{name:<7}", palette.style(palette.accent, bold=True)), what) for name, what in told]
    right = [
        Text.assemble((f"{sign:<13}", palette.style(palette.foreground, bold=True)), (f" {what}", palette.dim))
        for sign, what in SIGNS
    ]
    right.append(Text())
    for at in range(0, len(labels), 4):
        row = [
            Text(f"{glyph(label)} {sure_width(label)[:10]:<11}", style=palette.style(palette.emotion(label)))
            for label in labels[at : at + 4]
        ]
        right.append(Text().join(row))
    if not wide:
        return Text("\n").join([*left, Text(), *right])
    rows = max(len(left), len(right))
    pairs = zip(left + [Text()] * (rows - len(left)), right + [Text()] * (rows - len(right)), strict=True)
    return Text("\n").join(Text.assemble(one, " " * (_COLUMN - one.cell_len), other) for one, other in pairs)
