"""The same screen for a recorded session, which can be sought, paused, and played at another speed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual.binding import BindingType

from livemerc.dashboard.keys import REPLAY_KEYS, SPEEDS
from livemerc.dashboard.session_app import SessionApp
from livemerc.dashboard.state.history import History
from livemerc.dashboard.state.vitals import GaugesLike, Playback
from livemerc.errors import InputError, cause_of
from livemerc.events import Event
from livemerc.sessions.bookmarks import BOOKMARKS_FILE, Bookmark, append_bookmark, read_bookmarks
from livemerc.sessions.player import Player


class ReplayApp(SessionApp, inherit_bindings=False):
    """The screen's own timer polls the player, so that no event is on its way when a seek replaces the state."""

    BINDINGS: ClassVar[list[BindingType]] = [*REPLAY_KEYS]

    def __init__(self, player: Player, *, clock: Callable[[], float] = time.monotonic, ticking: bool = True) -> None:
        self.player = player
        super().__init__(PlayerFeed(player), clock=clock, ticking=ticking)
        self._history = History(self.state, player.journal.events)
        self._history.go(len(player.journal.events))  # goes through once, so that every seek is short
        self._bookmarks_bytes: int | None = None
        self._look_for_bookmarks()
        self._go(player.position_s)

    def tick(self) -> None:
        self._look_for_bookmarks()
        super().tick()

    def update_state(self) -> None:
        player = self.player
        self.state.playback = Playback(
            player.position_s, player.duration_s, player.speed, player.paused, player.growing, player.finished
        )

    def _go(self, to_s: float) -> None:
        self._history.go(self.player.seek(to_s))
        self.update_state()
        self.state.apply_gauges(self.player.gauges())

    # -- keys ----------------------------------------------------------------------------------------------------------

    def action_pause(self) -> None:
        self.player.pause(not self.player.paused)
        self.update_state()
        self.redraw()

    def action_seek(self, by_s: float) -> None:
        self._go(self.player.position_s + by_s)
        self.redraw()

    def action_speed(self, step: int) -> None:
        nearest = min(range(len(SPEEDS)), key=lambda index: abs(SPEEDS[index] - self.player.speed))
        self.player.set_speed(SPEEDS[max(0, min(len(SPEEDS) - 1, nearest + step))])
        self.update_state()
        self.redraw()

    def go_to(self, t_s: float) -> None:
        """Somebody pointed at a time: the replay goes there."""
        self._go(t_s)
        self.redraw()

    @property
    def session_folder(self) -> Path:
        return self.player.path

    # -- bookmarks -----------------------------------------------------------------------------------------------------

    @property
    def now_s(self) -> float:
        return self.player.position_s

    @property
    def can_bookmark(self) -> bool:
        """A file of events alone has no place for them."""
        return self.player.path.is_dir()

    def keep_bookmark(self, bookmark: Bookmark) -> str:
        try:
            append_bookmark(self.player.path, bookmark)
        except (OSError, ValueError) as error:
            return f"Marked on the screen alone: {cause_of(error)}"
        return "Marked, and kept with the session"

    def _look_for_bookmarks(self) -> None:
        """Reads those of the folder, again whenever their file has grown: the session may still be recorded."""
        if self._bookmarks_bytes is not None and not self.player.growing:
            return
        try:
            size = (self.player.path / BOOKMARKS_FILE).stat().st_size
        except OSError:  # there are none, or no folder
            size = 0
        if size != self._bookmarks_bytes:
            self._bookmarks_bytes = size
            with contextlib.suppress(InputError):  # it is no folder of a session: then there are none
                self.state.bookmarks = read_bookmarks(self.player.path)[0]


class PlayerFeed:
    """A `Feed` without a thread: the screen's own timer asks the player for what is due."""

    waiting = False

    def __init__(self, player: Player) -> None:
        self._player = player

    def start(self, arrived: Callable[[], object], ended: Callable[[BaseException | None], object]) -> None:
        """Nothing runs, and a replay that is at its end can go back."""

    def take(self) -> Event | None:
        return self._player.take()

    def gauges(self) -> GaugesLike:
        return self._player.gauges()

    def close(self, timeout_s: float) -> None:
        self._player.close()
