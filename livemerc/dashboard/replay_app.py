"""The very same screen for a recorded session: seek, pause, speed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual.binding import BindingType

from livemerc.dashboard.app import DashboardApp
from livemerc.dashboard.keys import REPLAY_KEYS, SPEEDS
from livemerc.dashboard.state.history import History
from livemerc.dashboard.state.session import Playback
from livemerc.errors import EXIT_OK, InputError, cause_of
from livemerc.events import Event
from livemerc.sessions.bookmarks import BOOKMARKS_FILE, Bookmark, append_bookmark, read_bookmarks
from livemerc.sessions.player import Player


class ReplayApp(DashboardApp, inherit_bindings=False):
    """The player is polled by the screen's own timer: a seek replaces the state, and no event is on its way."""

    BINDINGS: ClassVar[list[BindingType]] = [*REPLAY_KEYS]

    def __init__(self, player: Player, *, clock: Callable[[], float] = time.monotonic, ticking: bool = True) -> None:
        self.player = player
        super().__init__(player, clock=clock, ticking=ticking)
        self._history = History(self.state, player.journal.events)
        self._history.go(len(player.journal.events))  # once through, so that every seek is short
        self._bookmarks_bytes: int | None = None
        self._look_for_bookmarks()
        self._go(player.position_s)

    def _listen(self, monitor: object) -> _Poll:
        return _Poll(self.player)

    def tick(self) -> None:
        self._look_for_bookmarks()
        super().tick()

    def _tell_state(self) -> None:
        player = self.player
        self.state.playback = Playback(
            player.position_s, player.duration_s, player.speed, player.paused, player.growing, player.finished
        )

    def _go(self, to_s: float) -> None:
        self._history.go(self.player.seek(to_s))
        self._tell_state()
        self.state.apply_gauges(self.player.gauges())

    # -- keys ----------------------------------------------------------------------------------------------------------

    def action_leave(self) -> None:
        self.exit(EXIT_OK)

    def action_pause(self) -> None:
        self.player.pause(not self.player.paused)
        self._tell_state()
        self.redraw()

    def action_seek(self, by_s: float) -> None:
        self._go(self.player.position_s + by_s)
        self.redraw()

    def action_speed(self, step: int) -> None:
        nearest = min(range(len(SPEEDS)), key=lambda index: abs(SPEEDS[index] - self.player.speed))
        self.player.set_speed(SPEEDS[max(0, min(len(SPEEDS) - 1, nearest + step))])
        self._tell_state()
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
        """Those of the folder, again whenever their file has grown: a session may still be recorded."""
        if self._bookmarks_bytes is not None and not self.player.growing:
            return
        try:
            size = (self.player.path / BOOKMARKS_FILE).stat().st_size
        except OSError:  # there are none, or no folder
            size = 0
        if size != self._bookmarks_bytes:
            self._bookmarks_bytes = size
            with contextlib.suppress(InputError):  # no file that is a session's: then there are none
                self.state.bookmarks = read_bookmarks(self.player.path)[0]


class _Poll:
    """Stands where the live screen has the thread that listens to its monitor."""

    waiting = False

    def __init__(self, player: Player) -> None:
        self._player = player

    def start(self) -> None:
        """Nothing runs."""

    def take(self) -> Event | None:
        return self._player.take()

    def stop_monitor(self) -> None:
        self._player.stop()

    def cancel(self, timeout_s: float) -> bool:
        self._player.close()
        return True
