"""The very same screen for a recorded session: seek, pause, speed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from textual.binding import Binding, BindingType

from livemerc.dashboard.app import DashboardApp
from livemerc.dashboard.help_screen import KEYS, HelpScreen
from livemerc.dashboard.history import History
from livemerc.dashboard.state import Playback
from livemerc.errors import EXIT_OK
from livemerc.events import Event
from livemerc.player import Player

SPEEDS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
REPLAY_KEYS = (
    ("Space", "pause, and on"),
    ("← →", "10 s back, forward; Shift or [ ]: a minute"),
    ("- +", f"speed, {SPEEDS[0]:g} to {SPEEDS[-1]:g} times"),
)


class ReplayApp(DashboardApp, inherit_bindings=False):
    """The player is polled by the screen's own timer: a seek replaces the state, and no event is on its way."""

    BINDINGS: ClassVar[list[BindingType]] = [
        DashboardApp.BINDINGS[0],  # q; a narrow footer shows the first ones
        Binding("space", "pause", "Pause"),
        Binding("left", "seek(-10)", "Seek", key_display="←→"),
        Binding("right", "seek(10)", show=False),
        Binding("shift+left,left_square_bracket", "seek(-60)", show=False),
        Binding("shift+right,right_square_bracket", "seek(60)", show=False),
        Binding("minus", "speed(-1)", "Speed", key_display="-+"),
        Binding("plus,equals_sign", "speed(1)", show=False),
        *DashboardApp.BINDINGS[1:],
    ]

    def __init__(self, player: Player, *, clock: Callable[[], float] = time.monotonic, ticking: bool = True) -> None:
        self.player = player
        super().__init__(player, clock=clock, ticking=ticking)
        self._history = History(self.state, player.journal.events)
        self._history.go(len(player.journal.events))  # once through, so that every seek is short
        self._go(player.position_s)

    def _listen(self, monitor: object) -> _Poll:
        return _Poll(self.player)

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

    def action_help(self) -> None:
        self.push_screen(HelpScreen(self.state.labels, (*REPLAY_KEYS, *KEYS[1:])))


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
