"""One `livemerc run`: open the source, watch it, show the events, end cleanly."""

from __future__ import annotations

import errno
import io
import sys
from collections.abc import Callable, Generator
from typing import BinaryIO, cast

from livemerc.errors import EXIT_OK, LivemercError
from livemerc.events import Event, SessionStart, Status, encode
from livemerc.notation import clock
from livemerc.pipeline.recording import RecordedMonitor
from livemerc.runtime import process
from livemerc.text_safety import plain_text


def show_monitor(monitor: RecordedMonitor, signals: process.StopOnSignal, *, json: bool, plain: bool) -> int:
    """Show the events of a session that has not begun, to its end or to a stop signal. Returns the exit code."""
    screen = not json and not plain and process.has_screen()
    source = monitor.source
    try:
        for recorder in monitor.recorders:
            print(f"livemerc: recording to {plain_text(recorder.what)}", file=sys.stderr, flush=True)
        signals.call(monitor.stop)
        if screen:
            code = _show_dashboard(monitor)
        else:
            _print_events(monitor, json=json)
            code = EXIT_OK
    finally:
        source.close()
    stopped = [recorder.stopped for recorder in monitor.recorders if recorder.stopped is not None]
    for warning in [*source.warnings, *stopped]:
        print(f"livemerc: warning: {plain_text(warning)}", file=sys.stderr)
    return code


def _show_dashboard(monitor: RecordedMonitor) -> int:
    from livemerc.dashboard import run_dashboard

    code = run_dashboard(monitor, theme=monitor.config.screen.theme)
    recorded = [f"recorded: {recorder.what}" for recorder in monitor.recorders]
    for announcement in [*monitor.announcements, *recorded]:
        print(f"livemerc: {plain_text(announcement)}", file=sys.stderr)
    return code


def _nowhere(event: Event) -> None:
    """Shows nothing."""


def _print_events(monitor: RecordedMonitor, *, json: bool) -> None:
    stdout = process.claim_stdout()
    show: Callable[[Event], None]
    if json:
        show = _JsonLines(stdout).write
    else:
        from livemerc.console.plain import PlainPrinter

        show = PlainPrinter(io.TextIOWrapper(stdout, encoding="utf-8"), log=sys.stderr).write
    failure: LivemercError | None = None
    events = cast("Generator[Event]", monitor.events())
    with process.ReaderWatch(stdout.fileno(), monitor.stop):
        try:
            for event in events:
                try:
                    if isinstance(event, SessionStart):
                        for announcement in monitor.announcements:
                            print(f"livemerc: {plain_text(announcement)}", file=sys.stderr, flush=True)
                    show(event)
                except OSError as error:
                    monitor.stop()
                    if error.errno in (errno.EPIPE, errno.EIO):
                        process.silence_output()  # the reader or the terminal has gone: nobody is left to flush for
                    else:
                        failure = LivemercError(
                            f"standard output cannot be written ({error.strerror}); free space there, or send it "
                            "somewhere else."
                        )
                    if monitor.recording is None:
                        break
                    show = _nowhere  # but the record, which is to have the last utterance
        finally:
            events.close()
    if failure is not None:
        raise failure


class _JsonLines:
    """One event a line; a degraded part is logged on standard error when it begins, changes or ends."""

    def __init__(self, stdout: BinaryIO) -> None:
        self._stdout = stdout
        self._degraded: str | None = None

    def write(self, event: Event) -> None:
        self._stdout.write(encode(event) + b"\n")
        if isinstance(event, Status) and event.degraded != self._degraded:
            self._degraded = event.degraded
            what = f"degraded: {plain_text(event.degraded)}" if event.degraded else "well again"
            print(f"livemerc: {clock(event.t_s)}  {what}", file=sys.stderr, flush=True)
