"""The keys of all screens, each once: what it does, what the footer calls it, and what the help says of it.

Bindings, footer, help screen and command palette are made from these tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType


def key(keys: str, action: str, name: str, help: str, *, display: str | None = None, show: bool = True) -> Binding:
    """A binding whose `name` stands in the footer and whose `help` in the help screen and the command palette."""
    return Binding(keys, action, name, key_display=display, tooltip=help, show=show)


KEYS: tuple[BindingType, ...] = (
    key("q", "leave", "Quit", "finish the last utterance, leave; again: at once"),
    Binding("ctrl+c,ctrl+q", "leave", "Quit", show=False, priority=True),
    key("space", "pause", "Pause", "hear nothing until it is pressed again", display="Space"),
    key("b", "bookmark", "Mark", "bookmark this moment, or the utterance selected"),
    key("enter", "details", "Details", "select an utterance; again: all about it", display="Enter"),
    key("slash", "search", "Search", "search words, speakers and labels", display="/"),
    key("n", "found(1)", "Next", "next that was found; p: the one before", display="n p"),
    Binding("p,N,shift+n", "found(-1)", show=False),
    key("v", "view", "View", "what else is shown: course, summary, health"),
    key("r", "record", "Record", "record from here on; again: end that"),
    key("i", "notice", "Notice", "what to show those who are listened to"),
    key("s", "name_speaker", "Who", "name a speaker, and remember the voice"),
    key("m", "inputs", "Mic", "listen to another microphone"),
    key("e", "export", "Export", "write the session to a file, in any format"),
    key("f", "follow", "Follow", "follow the end of the transcript"),
    key("up", "scroll('up')", "Scroll", "scroll or select; also PgUp PgDn Home End", display="↑↓"),
    Binding("down", "scroll('down')", show=False),
    Binding("pageup", "scroll('page_up')", show=False),
    Binding("pagedown", "scroll('page_down')", show=False),
    Binding("home", "scroll('home')", show=False),
    Binding("end", "scroll('end')", show=False),
    Binding("escape", "unselect", show=False),
    key("t", "next_theme", "Theme", "theme: dark, light, high contrast"),
    Binding("ctrl+z", "suspend_process", show=False),
    key("ctrl+p", "command_palette", "Palette", "all of these, by name", display="^p"),
    key("question_mark", "help", "Help", "how to read the screen, and this list", display="?"),
)
_LIVE_ALONE = ("leave", "pause", "record", "inputs", "notice", "name_speaker")
READING_KEYS: tuple[BindingType, ...] = tuple(
    binding for binding in KEYS if isinstance(binding, Binding) and binding.action not in _LIVE_ALONE
)
"""What a reader needs, wherever the events come from."""
SPEEDS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)

REPLAY_KEYS: tuple[BindingType, ...] = (
    key("q", "leave", "Quit", "leave"),  # a narrow footer shows the first ones
    Binding("ctrl+c,ctrl+q", "leave", "Quit", show=False, priority=True),
    key("space", "pause", "Pause", "pause the replay, and on", display="Space"),
    key("left", "seek(-10)", "Seek", "10 s back, forward; with Shift, or [ ]: a minute", display="←→"),
    Binding("right", "seek(10)", show=False),
    Binding("shift+left,left_square_bracket", "seek(-60)", show=False),
    Binding("shift+right,right_square_bracket", "seek(60)", show=False),
    key("minus", "speed(-1)", "Speed", f"speed, {SPEEDS[0]:g} to {SPEEDS[-1]:g} times", display="-+"),
    Binding("plus,equals_sign", "speed(1)", show=False),
    *READING_KEYS,
)
WATCH_KEYS: tuple[BindingType, ...] = (
    REPLAY_KEYS[0],  # q
    key("l", "live", "Live", "to the newest event, and on from there"),
    *REPLAY_KEYS[1:],
)

DIGITS = "123456789"
LABEL_KEYS: tuple[BindingType, ...] = (
    key("1", "emotion(0)", "Emotion", "what it expresses, by its number", display="1 2 3 ...", show=False),
    *[Binding(digit, f"emotion({number})", show=False) for number, digit in enumerate(DIGITS) if number],
    key("enter", "confirm", "Confirm", "the model's label is right", display="Enter", show=False),
    key("0", "nothing", "Nothing", "nothing to judge in it", show=False),
    Binding("x", "nothing", show=False),
    key("e", "emotions", "Emotions", "all labels, as a list", show=False),
    key("q", "leave", "Quit", "leave; everything is saved already"),
    Binding("ctrl+c,ctrl+q", "leave", show=False, priority=True),
    key("space", "play", "Play", "play it (Esc: stop)", display="Space"),
    key("w", "words", "Words", "correct the words"),
    key("s", "speaker", "Who", "correct who says it"),
    key("u", "undo", "Undo", "undo, change by change"),
    key("backspace", "take_back", "Take back", "take this label back", display="Backspace", show=False),
    Binding("delete", "take_back", show=False),
    key("up", "move(-1)", "Go", "go; Home, End: first and last", display="↑↓ PgUp PgDn", show=False),
    Binding("k", "move(-1)", show=False),
    Binding("down,j", "move(1)", show=False),
    Binding("pageup", "page(-1)", show=False),
    Binding("pagedown", "page(1)", show=False),
    Binding("home", "go(0)", show=False),
    Binding("end", "go(-1)", show=False),
    key("n", "next_open", "Next", "next one without a label"),
    key("o", "order", "Order", "order: by time, least certain first"),
    key("t", "next_theme", "Theme", "theme: dark, light, high contrast"),
    Binding("escape", "escape", show=False),
    Binding("question_mark", "help", "Help", key_display="?"),  # this list needs no row to itself
)


def key_help(app: App[int]) -> list[tuple[str, str]]:
    """Key and explanation of everything that the screen can do now, in order."""
    found = []
    for _, binding, enabled, tooltip in app.screen_stack[0].active_bindings.values():
        if enabled and binding.tooltip:
            found.append((app.get_key_display(binding), tooltip or binding.tooltip))
    return found


def commands(app: App[int]) -> Iterator[SystemCommand]:
    """The same for the command palette."""
    for _, binding, enabled, tooltip in app.screen_stack[0].active_bindings.values():
        if enabled and binding.tooltip and binding.action != "command_palette":
            yield SystemCommand(
                f"{binding.description} ({app.get_key_display(binding)})", tooltip or binding.tooltip,
                partial(app.run_action, binding.action),
            )  # fmt: skip
