"""The screens over the label screen: one picks a name or takes a new one, one tells the keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from livemerc.dashboard.palette import palette_of
from livemerc.text_safety import plain_text

SIGNS = (
    ("✓", "labelled by a person"),
    ("✎", "words or speaker corrected"),
    ("joy .82", "the model's, and how sure it was"),
    ("○", "the model was not sure"),
)


_NOBODY = "(nobody known)"


class PickScreen(ModalScreen[str | None]):
    """Ends with one of `options` (their own text, whatever is in it), with what was typed, or with None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Back"),
        Binding("up", "highlight(-1)", show=False, priority=True),
        Binding("down", "highlight(1)", show=False, priority=True),
        Binding("enter", "choose", show=False, priority=True),
    ]

    def __init__(self, title: str, options: Sequence[str], now: str | None, *, typed: bool = False) -> None:
        super().__init__()
        self._title = title
        self._options = list(options)
        self._now = now
        self._typed = typed

    def compose(self) -> ComposeResult:
        with Vertical(id="pick"):
            yield Static(self._title, id="pick-title", markup=False)
            if self._typed:
                yield Input(placeholder="a new name", id="pick-typed", max_length=80)
            shown = [plain_text(option) if option else _NOBODY for option in self._options]
            yield OptionList(*[Option(Text(option)) for option in shown], id="pick-list")

    def on_mount(self) -> None:
        options = self.query_one(OptionList)
        if self._now in self._options:
            options.highlighted = self._options.index(self._now)
        (self.query_one(Input) if self._typed else options).focus()

    def action_highlight(self, by: int) -> None:
        options = self.query_one(OptionList)
        if self._options:
            at = -1 if options.highlighted is None and by > 0 else options.highlighted or 0
            options.highlighted = (at + by) % len(self._options)

    def action_choose(self) -> None:
        """What was typed counts before what is highlighted."""
        typed = " ".join(self.query_one(Input).value.split()) if self._typed else ""
        highlighted = self.query_one(OptionList).highlighted
        if typed:
            self.dismiss(typed)
        else:
            self.dismiss(None if highlighted is None else self._options[highlighted])

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._options[event.option_index])


class LabelHelpScreen(ModalScreen[None]):
    """`keys`: what this screen can do now."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,enter", "dismiss", "Back"),
        Binding("up", "scroll(-1)", show=False),
        Binding("down", "scroll(1)", show=False),
        Binding("q", "app.leave", show=False),  # a modal screen hides the app's own keys
    ]

    def __init__(self, keys: list[tuple[str, str]]) -> None:
        super().__init__()
        self._keys = keys

    def compose(self) -> ComposeResult:
        palette = palette_of(self)
        text = Text()
        for keys, what in self._keys:
            text.append(f"{keys:<13}", style=palette.style(palette.accent, bold=True))
            text.append(f" {what}\n", style=palette.text)
        for sign, what in SIGNS:
            text.append(f"\n{sign:<13}", style=palette.style(palette.foreground, bold=True))
            text.append(f" {what}", style=palette.dim)
        with VerticalScroll(id="help-box", can_focus=False):
            yield Static(text, id="help")

    def action_scroll(self, step: int) -> None:
        self.query_one("#help-box", VerticalScroll).scroll_relative(y=step, animate=False)
