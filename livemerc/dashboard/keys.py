"""The keys, each once: what it does, what the footer calls it, and what the help says of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from rich.cells import cell_len
from textual import events
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.widgets import Footer
from textual.widgets._footer import FooterKey


def key(keys: str, action: str, name: str, told: str, *, display: str | None = None, show: bool = True) -> Binding:
    """A binding whose `name` stands in the footer and whose `told` in the help and in the palette."""
    return Binding(keys, action, name, key_display=display, tooltip=told, show=show)


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
_LAST_TO_GO = ("help", "leave", "pause", "bookmark", "details", "search", "record", "found(1)", "follow", "export")
"""Where the footer is too narrow for all keys, these stay longest. The help has them all."""


def told(app: App[int]) -> list[tuple[str, str]]:
    """Key and explanation of everything that this screen can do now, in order."""
    found = []
    for _, binding, enabled, tooltip in app.screen_stack[0].active_bindings.values():
        if enabled and binding.tooltip and binding.show:
            found.append((app.get_key_display(binding), tooltip or binding.tooltip))
    return found


def commands(app: App[int]) -> Iterator[SystemCommand]:
    """For the command palette."""
    for _, binding, enabled, tooltip in app.screen_stack[0].active_bindings.values():
        if enabled and binding.tooltip and binding.show and binding.action != "command_palette":
            yield SystemCommand(
                f"{binding.description} ({app.get_key_display(binding)})", tooltip or binding.tooltip,
                partial(app.run_action, binding.action),
            )  # fmt: skip


class KeyLine(Footer):
    """The footer, with as many keys as there is room for: none is cut in the middle."""

    def __init__(self) -> None:
        super().__init__(show_command_palette=False)

    def compose(self) -> ComposeResult:
        keys = [widget for widget in super().compose() if isinstance(widget, FooterKey)]
        ranked = sorted(keys, key=lambda k: _LAST_TO_GO.index(k.action) if k.action in _LAST_TO_GO else 99)
        room, kept = self.app.size.width, set()
        for widget in ranked:
            room -= cell_len(widget.key_display) + cell_len(widget.description) + 3
            if room < 0:
                break
            kept.add(widget)
        yield from (widget for widget in keys if widget in kept)

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self.recompose)
