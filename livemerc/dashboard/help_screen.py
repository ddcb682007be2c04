"""How to read the screen, and its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from livemerc.dashboard.palette import Palette, glyph
from livemerc.dashboard.timeline import GAP, PAUSE, SHIFT
from livemerc.text_safety import sure_width

if TYPE_CHECKING:
    from livemerc.dashboard.app import DashboardApp

SIGNS = (
    ("~", "not settled: may still be revised"),
    ("was ▲", "what it was before a revision"),
    ("○ not sure", "no verdict, and why"),
    ("≠", "words and voice say different things"),
    ("tense, lively", "anger or fear, joy or surprise: not clear which"),
    (".82", "calibrated probability"),
    (f"★ {GAP} {PAUSE} {SHIFT}", "bookmark, audio lost, paused, the emotion shifts"),
    ("pleasant +-", "expected valence: classes from -1 to 1, averaged"),
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
            yield Static(
                _help(cast("DashboardApp", self.app).palette, self._labels, self._keys), id="help", markup=False
            )

    def action_scroll(self, step: int) -> None:
        self.query_one("#help-box", VerticalScroll).scroll_relative(y=step, animate=False)


def _help(palette: Palette, labels: list[str], all_keys: list[tuple[str, str]]) -> Text:
    text = Text()
    for keys, what in (*all_keys, ("Esc", "back; forget selection and search")):
        text.append(f"{keys:<6}", style=palette.style(palette.accent, bold=True))
        text.append(f" {what}\n", style=palette.text)
    text.append("click  select; click again: details; the course: go there\n\n", style=palette.dim)
    for sign, what in SIGNS:
        text.append(f"{sign:<13}", style=palette.style(palette.foreground, bold=True))
        text.append(f" {what}\n", style=palette.dim)
    text.append("\n")
    for index, label in enumerate(labels):
        end = "\n" if index % 4 == 3 and index + 1 < len(labels) else ""
        text.append(f"{glyph(label)} {sure_width(label)[:10]:<11}{end}", style=palette.style(palette.emotion(label)))
    return text
