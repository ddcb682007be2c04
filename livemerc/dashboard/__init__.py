"""The screen: the only room that knows Textual. Textual loads when a screen is run, and not before."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from livemerc.dashboard.watched import WatchedMonitor
    from livemerc.sessions.follower import Follower
    from livemerc.sessions.player import Player

__all__ = ["run_dashboard", "run_replay", "run_watch"]


def run_dashboard(monitor: WatchedMonitor, *, exit_at_end: bool = False, theme: str = "auto") -> int:
    """Show `monitor` until the user leaves. Returns the exit code: 0, or 130 if the user would not wait for the last
    utterance.

    With `exit_at_end` the screen closes when the events end, else it stays until `q`. `theme`: as in the
    configuration, `screen.theme`. Raises what the monitor's events raised (`LivemercError`), after the terminal is
    itself again.
    """
    from livemerc.dashboard.app import DashboardApp
    from livemerc.dashboard.session_app import run_session

    return run_session(DashboardApp(monitor, exit_at_end=exit_at_end), theme)


def run_replay(player: Player, theme: str = "auto") -> int:
    """Show a recorded session until the user leaves; returns the exit code."""
    from livemerc.dashboard.replay_app import ReplayApp
    from livemerc.dashboard.session_app import run_session

    return run_session(ReplayApp(player), theme)


def run_watch(follower: Follower, theme: str = "auto") -> int:
    """Show a session that is being recorded until the user leaves; returns the exit code."""
    from livemerc.dashboard.session_app import run_session
    from livemerc.dashboard.watch_app import WatchApp

    return run_session(WatchApp(follower), theme)
