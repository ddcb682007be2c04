"""The same screen for a session that somebody else records, at its newest event."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from textual.binding import BindingType

from livemerc.dashboard.keys import WATCH_KEYS
from livemerc.dashboard.replay_app import ReplayApp
from livemerc.dashboard.state.vitals import Playback
from livemerc.sessions.follower import Follower


class WatchApp(ReplayApp, inherit_bindings=False):
    """Read-only: nothing here reaches the recorder or its folder."""

    BINDINGS: ClassVar[list[BindingType]] = [*WATCH_KEYS]

    def __init__(
        self, follower: Follower, *, clock: Callable[[], float] = time.monotonic, ticking: bool = True
    ) -> None:
        self.follower = follower
        super().__init__(follower, clock=clock, ticking=ticking)

    @property
    def can_bookmark(self) -> bool:
        return False

    def update_state(self) -> None:
        follower = self.follower
        self.state.playback = Playback(
            position_s=follower.position_s,
            duration_s=follower.duration_s,
            speed=follower.speed,
            paused=follower.paused,
            growing=follower.growing,
            ended=not follower.growing,
            watched=True,
            waiting=str(follower.path) if follower.waiting else None,
            behind_s=None if follower.at_edge or follower.finished else follower.behind_s,
            trouble=follower.trouble,
        )

    @property
    def _behind(self) -> bool:
        playback = self.state.playback
        return playback is not None and playback.behind_s is not None

    def offers(self) -> tuple[bool, ...]:
        return *super().offers(), self._behind

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "live":
            return self._behind
        return super().check_action(action, parameters)

    def action_live(self) -> None:
        self._history.go(self.follower.go_live())
        self.update_state()
        self.arrangement.transcript.follow = True
        self.redraw()
