"""How to read the screen, and its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Static

from livemerc.dashboard.palette import Palette, glyph
from livemerc.dashboard.transcript import NOTICE

if TYPE_CHECKING:
    from livemerc.dashboard.app import DashboardApp

KEYS = (
    ("q, Ctrl+C", "stop listening, finish the last utterance, leave"),
    ("f", "follow the end of the transcript again"),
    ("↑ ↓ PgUp PgDn Home End", "scroll"),
    ("t", "theme: dark, light, high contrast"),
    ("?, Esc", "this help, and back"),
)


class HelpScreen(ModalScreen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,enter", "dismiss", "Back")]

    def __init__(self, labels: list[str]) -> None:
        super().__init__()
        self._labels = labels

    def compose(self) -> ComposeResult:
        yield Static(_help(cast("DashboardApp", self.app).palette, self._labels), id="help")


def _help(palette: Palette, labels: list[str]) -> Text:
    text = Text()
    for keys, what in KEYS:
        text.append(f"{keys:<23}", style=palette.style(palette.accent, bold=True))
        text.append(f" {what}\n", style=palette.text)
    text.append("\n")
    for sign, what in (
        ("~", "not settled: may still be revised"),
        ("was ▲", "what it was before the last revision"),
        ("○ not sure", "the monitor abstains, and says why"),
        ("≠", "words and voice say different things"),
        (".82", "calibrated probability of the label"),
        ("latency", "end of speech to emotion: median / 95th percentile"),
        ("lag", "how far the monitor is behind what is being said"),
    ):
        text.append(f"{sign:<11}", style=palette.style(palette.foreground, bold=True))
        text.append(f" {what}\n", style=palette.dim)
    text.append("\n")
    for label in labels:
        text.append(f"{glyph(label)} {label}  ", style=palette.style(palette.emotion(label)))
    return text.append(f"\n\n{NOTICE}", style=palette.dim)
