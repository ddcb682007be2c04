"""Shows a session: on a terminal the dashboard, elsewhere lines. Every command that prints events prints them here."""

from __future__ import annotations

import errno
import io
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from livemerc.console.json_lines import JsonLines
from livemerc.console.plain import PlainPrinter
from livemerc.console.progress import Progress, progress_of
from livemerc.errors import EXIT_OK, ConfigError, LivemercError, cause_of, say, warn
from livemerc.events import Event, SessionStart
from livemerc.notation import clock
from livemerc.runtime import process
from livemerc.sessions.follower import Follower
from livemerc.sessions.player import Player

if TYPE_CHECKING:
    from livemerc.pipeline.recording_monitor import RecordingMonitor
    from livemerc.remote import RemoteMonitor

    Shown = RecordingMonitor | RemoteMonitor


class EventSource(Protocol):
    """A monitor, a player or a follower. `stop` may come from any thread; `events` ends soon after it."""

    def events(self) -> Iterator[Event]: ...
    def stop(self) -> None: ...


def show_monitor(monitor: Shown, signals: process.StopOnSignal, *, json: bool, plain: bool) -> int:
    """Show a session that has not begun, until it ends or a stop signal comes. Returns the exit code.

    Raises whatever the monitor's events raise, and `LivemercError` where standard output cannot be written to.
    """
    from livemerc.audio.source import HasLength  # a replay needs no numpy

    source = monitor.source
    screen = _has_screen(json=json, plain=plain)
    try:
        for recorder in monitor.recorders:
            say(f"recording to {recorder.what}")
        signals.call(monitor.stop)
        if screen:
            code = _show_dashboard(monitor)
        else:
            code = EXIT_OK
            length_s = source.length_s if isinstance(source, HasLength) else None
            with nullcontext() if source.live else progress_of(length_s) as progress:
                print_events(
                    monitor,
                    json=json,
                    announcements=lambda: monitor.announcements,
                    tells_degraded=True,
                    taken_unread=lambda: monitor.recording is not None,
                    progress=progress,
                )
    finally:
        source.close()
    warn(*source.warnings, *(recorder.stopped for recorder in monitor.recorders if recorder.stopped is not None))
    return code


def show_replay(
    path: Path, signals: process.StopOnSignal, *, speed: float, begin_s: float, json: bool, plain: bool
) -> int:
    """Play a recorded session from `begin_s` on, `speed` times as fast as it was. Returns the exit code.

    Raises `InputError` (no session), `ConfigError` (`begin_s` is behind its end), and `LivemercError` where standard
    output cannot be written to.
    """
    player = Player(path, speed=speed, begin_s=begin_s)
    if begin_s > player.duration_s and not player.growing:
        player.close()
        raise ConfigError(f"--from {clock(begin_s)}: the session ends at {clock(player.duration_s)}; begin before.")
    signals.call(player.stop)
    code = EXIT_OK
    if _has_screen(json=json, plain=plain):
        from livemerc.config import load_config
        from livemerc.dashboard import run_replay

        code = run_replay(player, load_config().screen.theme)
    else:
        print_events(player, json=json)
    warn(*player.journal.warnings)
    return code


def show_follower(path: Path, signals: process.StopOnSignal, *, json: bool, plain: bool) -> int:
    """Show a session that is being recorded, from its newest event on. Returns the exit code.

    On a terminal the screen stays after the session's end; lines end with it. Raises `InputError` (waiting for a
    session there is hopeless), and `LivemercError` where standard output cannot be written to.
    """
    follower = Follower(path)
    signals.call(follower.stop)
    code = EXIT_OK
    if _has_screen(json=json, plain=plain):
        from livemerc.config import load_config
        from livemerc.dashboard import run_watch

        code = run_watch(follower, load_config().screen.theme)
    else:
        if follower.waiting:
            say(f"waiting for a recording to begin in {path}")
        print_events(follower, json=json)
        if follower.trouble is not None and not follower.growing:
            warn(follower.trouble)
    warn(*follower.journal.warnings)
    return code


def show_room(url: str, token: str | None, signals: process.StopOnSignal, *, json: bool, plain: bool) -> int:
    """Show a room of a server, from its newest event on. Returns the exit code.

    On a terminal the screen stays after the session's end; lines end with it. Raises `ConfigError` for a wrong address
    or token, and `LivemercError` where the server cannot be reached or is lost, or where nothing can be written.
    """
    from livemerc.remote import RemoteFollower

    follower = RemoteFollower(url, token=token)
    signals.call(follower.stop)
    code = EXIT_OK
    try:
        if _has_screen(json=json, plain=plain):
            from livemerc.config import load_config
            from livemerc.dashboard import run_watch

            code = run_watch(follower, load_config().screen.theme)
        else:
            print_events(follower, json=json)
    finally:
        follower.close()
    if follower.failure is not None:
        raise follower.failure
    return code


def print_events(
    source: EventSource,
    *,
    json: bool,
    announcements: Callable[[], Iterable[str]] = tuple,
    tells_degraded: bool = False,
    taken_unread: Callable[[], bool] = lambda: False,
    progress: Progress | None = None,
) -> None:
    """Print every event of `source` on standard output: as JSON Lines, or as one line per settled label.

    A reader that leaves stops the source, and is no failure. announcements: said on standard error when the session
    starts. tells_degraded: with `json`, a degraded part is told on standard error. taken_unread: asked once nobody
    reads; True = the source's last events are still taken, for whoever records them. progress: sees every event. Raises
    whatever the source's events raise, and `LivemercError` where standard output cannot be written to (a full disk).
    """
    stdout = process.claim_stdout()
    write: Callable[[Event], None]
    if json:
        write = JsonLines(stdout, tells_degraded=tells_degraded).write
    else:
        write = PlainPrinter(io.TextIOWrapper(stdout, encoding="utf-8"), log=sys.stderr).write
    failure: LivemercError | None = None
    events = cast("Generator[Event]", source.events())
    with process.ReaderWatch(stdout.fileno(), source.stop), closing(events):
        for event in events:
            try:
                if isinstance(event, SessionStart):
                    for announcement in announcements():
                        say(announcement)
                write(event)
                if progress is not None:
                    progress.see(event)
            except OSError as error:
                source.stop()
                if error.errno in (errno.EPIPE, errno.EIO):
                    process.silence_output()  # the reader or the terminal has gone: nobody is left to flush for
                else:
                    failure = LivemercError(
                        f"standard output cannot be written ({cause_of(error)}); free space there, or send it "
                        "somewhere else."
                    )
                if not taken_unread():
                    break
                write = _nowhere
    if failure is not None:
        raise failure


def _nowhere(event: Event) -> None:
    """Nobody reads."""


def _has_screen(*, json: bool, plain: bool) -> bool:
    return not json and not plain and process.has_screen()


def _show_dashboard(monitor: Shown) -> int:
    from livemerc.dashboard import run_dashboard

    code = run_dashboard(monitor, theme=monitor.config.screen.theme)
    for sentence in [*monitor.announcements, *(f"recorded: {recorder.what}" for recorder in monitor.recorders)]:
        say(sentence)
    return code
