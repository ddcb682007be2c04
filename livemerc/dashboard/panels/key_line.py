"""The footer: the keys of the screen, as many as there is room for."""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.widgets import Input

from livemerc.dashboard.palette import Palette
from livemerc.dashboard.panels.panel import Panel
from livemerc.dashboard.state.session import SessionState

_LAST_TO_GO = (
    "help", "leave", "pause", "live", "seek(-10)", "view", "details", "bookmark", "search", "record", "found(1)",
    "follow", "export", "play", "words", "speaker", "undo", "next_open", "order",
)  # fmt: skip
"""Where the footer is too narrow for all keys, these stay longest, the first of them to the end. The help has all."""
FIND = (("Enter", "go to what was found"), ("Esc", "forget it"))


def _hint(palette: Palette, *keys: tuple[str, str]) -> Text:
    line = Text()
    for name, what in keys:
        line.append(f" {name}", style=palette.style(palette.accent, bold=True))
        line.append(f" {what} ", style=palette.dim)
    return line


class KeyLine(Panel):
    """The footer: as many keys as there is room for, none cut in the middle. A click presses one.

    Textual's own footer has a widget for each key and mounts all anew whenever a key comes or goes: that takes 50 ms
    each time someone scrolls back.
    """

    DEFAULT_CSS = "KeyLine { dock: bottom; height: 1; }"

    def __init__(
        self, state: SessionState, *, id: str | None = None, typing: tuple[tuple[str, str], ...] = FIND
    ) -> None:
        """`typing`: what stands there while words are typed, which are no keys."""
        super().__init__(state, id=id)
        self._typing = typing
        self._changes = 0
        self._keys: list[tuple[int, str]] = []  # where each ends, and what a click presses

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._other_keys)

    def _other_keys(self, screen: object) -> None:
        self._changes += 1
        self.redraw()

    def key(self) -> object:
        return self._changes

    def lines(self, width: int, height: int) -> list[Text]:
        offered = [
            binding
            for _, binding, enabled, _ in self.screen.active_bindings.values()
            if binding.show and enabled and binding.description
        ]
        palette, room = self.palette, width - 1
        if isinstance(self.screen.focused, Input):  # what is typed there are words, no keys
            self._keys = []
            return [_hint(palette, *self._typing)]
        kept = set()
        for binding in sorted(offered, key=lambda b: _LAST_TO_GO.index(b.action) if b.action in _LAST_TO_GO else 99):
            room -= cell_len(self.app.get_key_display(binding)) + cell_len(binding.description) + 3
            if room < -2:  # the last one needs no gap behind it
                break
            kept.add(binding.action)
        line, self._keys = Text(), []
        for binding in offered:
            if binding.action in kept:
                line.append_text(_hint(palette, (self.app.get_key_display(binding), binding.description)))
                self._keys.append((line.cell_len, binding.key))
        return [line]

    def on_click(self, event: events.Click) -> None:
        pressed = next((key for end, key in self._keys if event.x < end), None)
        if pressed is not None:
            self.app.simulate_key(pressed)
