"""The notice, to be shown to those who are listened to."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from livemerc.dashboard.palette import Palette, palette_of
from livemerc.purpose import VoiceScope
from livemerc.report.notice import TITLE, sections
from livemerc.text_safety import sure_width


class NoticeScreen(ModalScreen[None]):
    """`voice`: whose is judged; `recording`: what is being recorded (`rec`, `rec + audio`), None = nothing; `compared`:
    whether voices are compared with enrolled ones."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,i,enter", "dismiss", "Back"),
        Binding("up", "scroll(-1)", show=False),
        Binding("down", "scroll(1)", show=False),
        Binding("q", "app.leave", show=False),  # a modal screen hides the app's own keys
    ]

    def __init__(self, voice: VoiceScope, recording: str | None, *, compared: bool = False) -> None:
        super().__init__()
        self._voice = voice
        self._recording = recording
        self._compared = compared

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="notice-box", can_focus=False):
            yield Static(id="notice", markup=False)

    def on_mount(self) -> None:
        self.query_one("#notice", Static).update(
            _notice(palette_of(self), self._voice, self._recording, self._compared)
        )

    def action_scroll(self, step: int) -> None:
        self.query_one("#notice-box", VerticalScroll).scroll_relative(y=step, animate=False)


def _notice(palette: Palette, voice: VoiceScope, recording: str | None, compared: bool) -> Text:
    whole = Text(TITLE, style=palette.title)
    for section in sections(voice, recording=recording, known=True, compared=compared):
        whole.append(f"\n\n{section.heading}\n", style=palette.style(palette.accent, bold=True))
        whole.append("\n".join(sure_width(paragraph) for paragraph in section.paragraphs), style=palette.text)
    return whole
