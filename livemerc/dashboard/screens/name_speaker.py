"""Who is that? A name for a speaker who was heard, and their voice to be remembered, if they agree to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from livemerc.dashboard.palette import palette_of
from livemerc.dashboard.state.speakers import HeardSpeaker
from livemerc.errors import ConfigError
from livemerc.notation import clock
from livemerc.speakers.voiceprints import LONGEST_NAME, checked_name
from livemerc.text_safety import plain_text, sure_width

_KEYS = "Enter: name   ↑↓: who   Esc: back"
_KEYS_REMEMBER = "Enter: name   ↑↓: who   Tab Space: remember   Esc: back"
_KEYS_TAKE_BACK = "Enter: take the name back   ↑↓: who   Esc: back"


@dataclass(frozen=True, slots=True)
class NameGiven:
    """`name` None = the speaker goes by the id again. `remember`: the voice is to be enrolled."""

    speaker: str
    name: str | None
    remember: bool


class Tick(Static, can_focus=True):
    """`[ ] what`: Space or a click ticks it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("space", "tick", show=False)]

    def __init__(self, what: str, id: str) -> None:
        super().__init__(f"[ ] {what}", id=id, markup=False)
        self._what = what
        self.ticked = False

    def action_tick(self) -> None:
        self.ticked = not self.ticked
        self.update(f"[{'x' if self.ticked else ' '}] {self._what}")

    def on_click(self) -> None:
        self.action_tick()


class NameSpeakerScreen(ModalScreen[NameGiven | None]):
    """Ends with the name that was given, or with None. `at`: the place of whoever is proposed; `voices`: whether one
    may be remembered."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Back"),
        Binding("up", "highlight(-1)", show=False, priority=True),
        Binding("down", "highlight(1)", show=False, priority=True),
        Binding("enter", "give", show=False, priority=True),
        Binding("ctrl+q,ctrl+c", "app.leave", show=False),
    ]

    def __init__(self, speakers: Sequence[HeardSpeaker], at: int, *, voices: bool) -> None:
        super().__init__()
        self._speakers = list(speakers)
        self._at = at
        self._voices = voices

    def compose(self) -> ComposeResult:
        with Vertical(id="naming"):
            yield Static("Who is that?", id="naming-title", markup=False)
            yield OptionList(id="naming-speakers")
            yield Input(placeholder="their name", id="naming-name", max_length=LONGEST_NAME, compact=True)
            if self._voices:
                yield Tick("remember this voice, for later sessions too", id="naming-remember")
            yield Static(_KEYS_REMEMBER if self._voices else _KEYS, id="naming-note", markup=False)

    def on_mount(self) -> None:
        options = self.query_one(OptionList)
        options.can_focus = False  # the arrows choose, whatever has the focus
        options.add_options([Option(self._line(one)) for one in self._speakers])
        options.highlighted = self._at
        self.query_one(Input).focus()
        self._tell_keys()

    def _line(self, one: HeardSpeaker) -> Text:
        palette = palette_of(self)
        ids = "" if one.shown == one.speaker else f" ({sure_width(one.speaker)})"
        many = "" if one.utterances == 1 else "s"
        line = Text()
        line.append("■ ", style=palette.style(palette.speaker(one.coloured)))
        line.append(f"{sure_width(one.shown) + ids:<20} {one.utterances} utterance{many}, {clock(one.length_s)}")
        return line

    def action_highlight(self, by: int) -> None:
        options = self.query_one(OptionList)
        options.highlighted = ((options.highlighted or 0) + by) % len(self._speakers)
        self._tell_keys()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.query_one(Input).focus()  # a click chooses whom, and the name is still to be typed

    @property
    def _chosen(self) -> HeardSpeaker:
        return self._speakers[self.query_one(OptionList).highlighted or 0]

    def action_give(self) -> None:
        one, typed = self._chosen, self.query_one(Input).value
        remember = self._voices and self.query_one(Tick).ticked
        try:
            name = checked_name(typed) if typed.strip() else None
        except ConfigError as error:
            self.query_one("#naming-note", Static).update(plain_text(str(error)))
            return
        if name is None and (one.shown == one.speaker or remember):
            self.query_one("#naming-note", Static).update("Type a name first.")
            return
        self.dismiss(NameGiven(one.speaker, name, remember))

    def on_input_changed(self) -> None:
        self._tell_keys()

    def _tell_keys(self) -> None:
        takes_back = not self.query_one(Input).value.strip() and self._chosen.shown != self._chosen.speaker
        keys = _KEYS_TAKE_BACK if takes_back else _KEYS_REMEMBER if self._voices else _KEYS
        self.query_one("#naming-note", Static).update(keys)


class ConsentScreen(ModalScreen[bool]):
    """Ends with whether whoever is asked says yes. Nothing but `y` is a yes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "dismiss(True)", "Yes"),
        Binding("n,escape,enter", "dismiss(False)", "No"),
        Binding("q,ctrl+q,ctrl+c", "app.leave", show=False),
    ]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        with Vertical(id="consent"):
            yield Static(plain_text(self._question), id="consent-question", markup=False)
            yield Static("y: yes, they have    n: no, keep nothing of it", id="consent-note", markup=False)
