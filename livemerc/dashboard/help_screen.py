"""How to read the screen, and its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Static

from livemerc.dashboard.palette import Palette, glyph
from livemerc.text_safety import sure_width

if TYPE_CHECKING:
    from livemerc.dashboard.app import DashboardApp

KEYS = (
    ("q, Ctrl+C", "finish the last utterance, then leave"),
    ("f", "follow the end of the transcript"),
    ("↑↓ PgUp PgDn", "scroll; Home, End: first and last"),
    ("t", "theme: dark, light, high contrast"),
    ("?, Esc", "this help, and back"),
)
RECORD_KEY = ("r", "record from here on; again: end that")
MIC_KEY = ("m", "listen to another microphone")
SIGNS = (
    ("~", "not settled: may still be revised"),
    ("was ▲", "what it was before the last revision"),
    ("○ not sure", "no verdict, and why"),
    ("≠", "words and voice say different things"),
    (".82", "calibrated probability"),
    ("latency", "end of speech to emotion, median/p95"),
    ("lag", "how far behind what is being said"),
)


class HelpScreen(ModalScreen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,enter", "dismiss", "Back"),
        Binding("q", "app.leave", show=False),  # a modal screen hides the app's own keys
    ]

    def __init__(self, labels: list[str], keys: tuple[tuple[str, str], ...] = KEYS) -> None:
        super().__init__()
        self._labels = labels
        self._keys = keys

    def compose(self) -> ComposeResult:
        yield Static(_help(cast("DashboardApp", self.app).palette, self._labels, self._keys), id="help")


def _help(palette: Palette, labels: list[str], all_keys: tuple[tuple[str, str], ...]) -> Text:
    text = Text()
    for keys, what in all_keys:
        text.append(f"{keys:<13}", style=palette.style(palette.accent, bold=True))
        text.append(f" {what}\n", style=palette.text)
    text.append("\n")
    for sign, what in SIGNS:
        text.append(f"{sign:<13}", style=palette.style(palette.foreground, bold=True))
        text.append(f" {what}\n", style=palette.dim)
    text.append("\n")
    for index, label in enumerate(labels):
        end = "\n" if index % 4 == 3 and index + 1 < len(labels) else ""
        text.append(f"{glyph(label)} {sure_width(label)[:10]:<11}{end}", style=palette.style(palette.emotion(label)))
    return text
