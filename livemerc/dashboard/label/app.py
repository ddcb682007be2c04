"""`livemerc label`: a person's pass over a recorded session, with the keyboard."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Input

from livemerc.dashboard.keys import LABEL_KEYS, key_help
from livemerc.dashboard.label.panels import CurrentPanel, HeadPanel, LabelPanel, SavedPanel, UtterancePanel
from livemerc.dashboard.label.screens import LabelHelpScreen, PickScreen
from livemerc.dashboard.panels.key_line import KeyLine
from livemerc.dashboard.state.session import SessionState
from livemerc.dashboard.terminal_app import TerminalApp
from livemerc.errors import LivemercError
from livemerc.sessions.annotation import Annotation
from livemerc.text_safety import plain_text

if TYPE_CHECKING:
    import numpy as np

Clip = Callable[[], "tuple[np.ndarray, int]"]
"""Reads the current utterance's audio: (n,) float32 and its rate in Hz. Raises `LivemercError`."""
Play = Callable[["np.ndarray", int], None]

_LOOK_AT_TERMINAL_EVERY_S = 1.0
_TYPING = (("Enter", "save these words"), ("Esc", "leave them as they are"))
_ALL_DONE = "every utterance has a label"


class LabelApp(TerminalApp):
    """One pass. `clip(index)` gives what reads an utterance's audio; None: `silent` says why there is none.
    `play` plays it and `hush` stops it."""

    CSS_PATH = "label.tcss"
    TITLE = "livemerc label"
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = ""  # the editor would take the keys, hidden as it is
    BINDINGS: ClassVar[list[BindingType]] = [*LABEL_KEYS]

    def __init__(
        self,
        annotation: Annotation,
        *,
        clip: Callable[[int], Clip] | None,
        silent: str,
        play: Play,
        hush: Callable[[], None],
    ) -> None:
        super().__init__()
        self.annotation = annotation
        self._clip = clip
        self._silent = silent
        self._play = play
        self._hush = hush
        self._editing = False
        self._saved = SavedPanel(annotation, silent if clip is None else "? shows the keys", id="saved")

    def compose(self) -> ComposeResult:
        yield HeadPanel(self.annotation, id="head")
        yield UtterancePanel(self.annotation, id="utterances")
        yield CurrentPanel(self.annotation, id="current")
        yield Input(id="editor", select_on_focus=False)
        yield self._saved
        yield KeyLine(SessionState(), id="keys", typing=_TYPING)

    def on_mount(self) -> None:
        self._panels = [*self.query(LabelPanel), self.query_one(KeyLine)]
        self.set_interval(_LOOK_AT_TERMINAL_EVERY_S, self._leave_without_terminal)
        self.leave_on_signals()

    def _leave_without_terminal(self) -> None:
        if self.terminal_gone():
            self.action_leave()

    def redraw(self) -> None:
        for panel in self._panels:
            panel.redraw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While words are being typed, only these actions are offered."""
        return not self._editing or action in ("escape", "leave", "quit")

    # -- where ---------------------------------------------------------------------------------------------------------

    def _moved(self) -> None:
        self.annotation.trouble = None
        self._saved.note = ""
        self.redraw()

    def action_move(self, by: int) -> None:
        self.annotation.move(by)
        self._moved()

    def action_page(self, by: int) -> None:
        self.annotation.move(by * max(1, self.query_one(UtterancePanel).size.height - 1))
        self._moved()

    def action_go(self, position: int) -> None:
        self.annotation.go(position if position >= 0 else len(self.annotation.order) - 1)
        self._moved()

    def action_next_open(self) -> None:
        found = self.annotation.next_open()
        self._moved()
        if not found:
            self._tell(_ALL_DONE)

    def action_order(self) -> None:
        self.annotation.change_order()
        self._moved()

    # -- what a person says --------------------------------------------------------------------------------------------

    def _tell(self, note: str) -> None:
        self._saved.note = note
        self.redraw()

    def _judged(self, saved: bool, what: str) -> None:
        """After a label, goes on to the next utterance without one."""
        if saved:
            self._saved.note = f"saved: {what}" if self.annotation.next_open() else f"saved: {what}; {_ALL_DONE}"
        self.redraw()

    def _set_emotion(self, label: str | None) -> None:
        if label is not None:
            self._judged(self.annotation.set_emotion(label), label)

    def action_emotion(self, number: int) -> None:
        if number < len(self.annotation.labels):
            self._set_emotion(self.annotation.labels[number])

    def action_emotions(self) -> None:
        now = self.annotation.current.label
        self.push_screen(PickScreen("What it expresses", self.annotation.labels, now), self._set_emotion)

    def action_confirm(self) -> None:
        estimate = self.annotation.current.estimate
        self._judged(self.annotation.confirm(), "" if estimate is None else estimate.label)

    def action_nothing(self) -> None:
        self._judged(self.annotation.set_nothing_to_judge(), "nothing to judge")

    def action_take_back(self) -> None:
        if self.annotation.take_label_back():
            self._saved.note = "saved: no label"
        self.redraw()

    def action_undo(self) -> None:
        if self.annotation.undo():
            self._saved.note = "saved: as it was before"
        self.redraw()

    # -- words and speaker ---------------------------------------------------------------------------------------------

    def action_words(self) -> None:
        editor = self.query_one("#editor", Input)
        self._editing = True
        editor.value = plain_text(self.annotation.current.text)
        editor.cursor_position = len(editor.value)
        editor.display = True
        editor.focus()
        self.annotation.trouble = None
        self._tell("")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if not self._editing:
            return
        text = " ".join(event.value.split())
        before = self.annotation.current.text
        if text != " ".join(plain_text(before).split()) and not self.annotation.set_text(text):
            self.redraw()  # what was typed stays to be tried again
            return
        self._end_editing("saved: words" if text != before else "")

    def _end_editing(self, note: str) -> None:
        editor = self.query_one("#editor", Input)
        self._editing = False
        editor.display = False
        self.set_focus(None)
        self._tell(note)

    def action_escape(self) -> None:
        if self._editing:
            self.annotation.trouble = None
            self._end_editing("")
        else:
            self._hush()
            self._tell("")

    def action_speaker(self) -> None:
        current = self.annotation.current.speaker
        title = "Who says it: type a name, or ↑↓ and Enter"
        names = [*self.annotation.speakers, *([] if current is None else [""])]  # "": nobody knows
        self.push_screen(PickScreen(title, names, current, typed=True), self._set_speaker)

    def _set_speaker(self, name: str | None) -> None:
        if name is not None and self.annotation.set_speaker(name):
            self._saved.note = "saved: speaker"
        self.redraw()

    # -- sound ---------------------------------------------------------------------------------------------------------

    def action_play(self) -> None:
        if self._clip is None:
            self._tell(self._silent)
            return
        self.run_worker(self._played(self._clip(self.annotation.index)), exclusive=True)

    async def _played(self, clip: Clip) -> None:
        try:
            samples, rate_hz = await asyncio.to_thread(clip)
            await asyncio.to_thread(self._play, samples, rate_hz)  # opening a device takes its time
        except LivemercError as error:
            self._tell(plain_text(str(error)))
        else:
            self._tell(f"playing {len(samples) / rate_hz:.1f} s")

    # -- the rest ------------------------------------------------------------------------------------------------------

    def action_next_theme(self) -> None:
        self.wear_next()
        self.redraw()

    def action_help(self) -> None:
        self.push_screen(LabelHelpScreen(key_help(self)))

    def action_leave(self) -> None:
        """Everything that was said is on the disk already."""
        with contextlib.suppress(LivemercError):
            self._hush()
        super().action_leave()


def run_label(app: LabelApp, theme: str = "auto") -> int:
    """The screen in this process's own terminal. Returns the exit code."""
    code = app.run_in_terminal(theme)
    if code is None:
        raise LivemercError("The screen failed; what was labelled is saved. Run again with --debug for details.")
    return code
