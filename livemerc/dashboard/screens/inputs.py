"""The inputs that there are now, so that the session can go on with another one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import ClassVar, Protocol

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from livemerc.errors import LivemercError
from livemerc.text_safety import plain_text

_LOOKING = "Looking for inputs …"
_KEYS = "Enter: listen to it from now on    Esc: back"


class Input(Protocol):
    """`livemerc.audio.microphone.devices.InputDevice`, as far as it is shown."""

    @property
    def index(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def pulse(self) -> str | None: ...
    @property
    def default(self) -> bool: ...
    @property
    def monitor(self) -> bool: ...


class InputsScreen(ModalScreen[str | int | None]):
    """Ends with what `switch` takes, or with None. `look` takes its time: it runs in a thread."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,m", "dismiss(None)", "Back"),
        Binding("q", "app.leave", show=False),  # a modal screen hides the app's own keys
    ]

    def __init__(self, look: Callable[[], Sequence[Input]], now: str) -> None:
        super().__init__()
        self._look = look
        self._now = now

    def compose(self) -> ComposeResult:
        with Vertical(id="inputs"):
            yield OptionList(id="inputs-list")
            yield Static(_LOOKING, id="inputs-note", markup=False)

    async def on_mount(self) -> None:
        self.run_worker(self._fill(), exclusive=True)

    async def _fill(self) -> None:
        note = self.query_one("#inputs-note", Static)
        try:
            self._inputs = list(await asyncio.to_thread(self._look))
        except LivemercError as error:
            note.update(plain_text(str(error)))
            return
        options = self.query_one(OptionList)
        options.add_options([Option(self._line(entry)) for entry in self._inputs])
        names = [entry.name for entry in self._inputs]
        if self._now in names:
            options.highlighted = names.index(self._now)
        options.focus()
        note.update(_KEYS)

    def _line(self, entry: Input) -> Text:
        marks = ["default"] * entry.default + ["hears what the speakers play"] * entry.monitor
        sign = "● " if entry.name == self._now else "  "
        return Text(f"{sign}{plain_text(entry.name)}" + (f"  ({', '.join(marks)})" if marks else ""))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        chosen = self._inputs[event.option_index]
        alike = sum(entry.name == chosen.name for entry in self._inputs)
        self.dismiss(chosen.pulse or (chosen.name if alike == 1 else chosen.index))
