"""The line to search in, above the keys; it is hidden while nobody searches."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static


class SearchLine(Horizontal):
    """`/ words   3 found`. Enter keeps what was found, Escape forgets it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "give_up", show=False)]

    class Changed(Message):
        """The text has changed. Pending ones replace each other."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, SearchLine.Changed)

    class Closed(Message):
        """The search is done: `keep` what was found, or forget it."""

        def __init__(self, keep: bool) -> None:
            super().__init__()
            self.keep = keep

    def compose(self) -> ComposeResult:
        yield Static("/", id="search-sign", markup=False)
        yield Input(id="search-words", placeholder="words, a speaker, a label", max_length=100, compact=True)
        yield Static("", id="search-count", markup=False)

    def open(self) -> None:
        self.display = True
        words = self.query_one(Input)
        words.value = ""
        words.focus()

    def show_count(self, found: int | None) -> None:
        """How many utterances were found; None: nothing is searched for."""
        self.query_one("#search-count", Static).update("" if found is None else f"{found or 'none'} found")

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(event.value.strip()))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._close(bool(event.value.strip()))

    def action_give_up(self) -> None:
        self._close(False)

    def _close(self, keep: bool) -> None:
        self.display = False
        self.screen.set_focus(None)
        self.post_message(self.Closed(keep))
