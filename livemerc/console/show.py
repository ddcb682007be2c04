"""One `livemerc run`: open the source, watch it, show the events, end cleanly."""

from __future__ import annotations

import errno
import io
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import BinaryIO, cast

from livemerc.audio.source import Source
from livemerc.config import Config
from livemerc.console.download_bar import fetch_before_screen
from livemerc.errors import EXIT_OK, ConfigError, LivemercError
from livemerc.events import Event, SessionStart, Status, encode
from livemerc.notation import clock
from livemerc.pipeline.monitor import Monitor
from livemerc.pipeline.recording import RecordingMonitor
from livemerc.pipeline.rerun import RecordedAudio, Rerun
from livemerc.runtime import process
from livemerc.sessions.recorder import check_new
from livemerc.text_safety import plain_text

__all__ = ["DEMO_FOLDER", "check_new", "monitor", "open_source"]

DEMO_FOLDER = Path(__file__).parents[1] / "demo"


def open_source(
    flag: str,
    mic: list[str] | None,
    file: Path | None,
    rate: int | None,
    speed: float,
    speakers: tuple[str, ...],
    settings: Config,
) -> Source:
    """The source that `flag` names. Raises `ConfigError`, `InputError` or `MicrophoneError`."""
    block_ms = settings.audio.block_ms
    watched = sys.stdout is not None and sys.stdout.isatty()
    if flag == "--mic":
        from livemerc.audio.microphone.group import MicGroup
        from livemerc.audio.microphone.source import MicSource

        names: list[str | int | None] = [int(name) if name.isdecimal() else name for name in mic or ()]
        if watched:  # first: a microphone that waits for a download overflows
            fetch_before_screen(settings)
        if len(names) > 1:
            return MicGroup(names, block_ms, settings.audio.ring_s, speakers)
        return MicSource(names[0] if names else None, block_ms, settings.audio.ring_s, speakers)
    if flag == "--stdin":
        if sys.stdin is None or sys.stdin.isatty():
            raise ConfigError("--stdin wants samples piped in, and standard input is a terminal; see the README.")
        from livemerc.audio.stdin_source import StdinSource

        if watched:
            fetch_before_screen(settings)
        return StdinSource(sys.stdin.buffer, 16_000 if rate is None else rate, block_ms)
    from livemerc.audio.file_source import FileSource

    if flag == "--demo":
        return FileSource(DEMO_FOLDER / "demo.flac", speed=speed, block_ms=block_ms, name="demo")
    assert file is not None
    source = FileSource(file, speed=speed, block_ms=block_ms, speakers=speakers)
    if watched:
        fetch_before_screen(settings)
    return source


def monitor(
    source: Source,
    settings: Config,
    signals: process.StopOnSignal,
    *,
    demo: bool,
    json: bool,
    plain: bool,
    record: Path | None = None,
    record_audio: bool = False,
) -> int:
    """Watch `source` to its end or to a stop signal and show its events. Returns the exit code.

    record: folder that becomes the session's own (`sessions.recorder`); with `record_audio` what is heard, too.
    """
    try:
        monitor = RecordingMonitor(Monitor(source, settings, demo=demo), record, audio=record_audio)
        return watch(monitor, signals, json=json, plain=plain)
    finally:
        source.close()


def show_rerun(rerun: Rerun, signals: process.StopOnSignal, *, json: bool, plain: bool) -> int:
    """Runs a recorded session again, into a new one, and shows its events. Returns the exit code.

    Stopping early keeps what was judged until then.
    """
    for warning in rerun.session.warnings:
        print(f"livemerc: warning: {plain_text(warning)}", file=sys.stderr)
    try:
        if isinstance(rerun.source, RecordedAudio) and sys.stdout is not None and sys.stdout.isatty():
            fetch_before_screen(rerun.config)
    except BaseException:
        rerun.close()
        raise
    return watch(rerun.begin(), signals, json=json, plain=plain)


def watch(monitor: RecordingMonitor, signals: process.StopOnSignal, *, json: bool, plain: bool) -> int:
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


def _show_dashboard(monitor: RecordingMonitor) -> int:
    from livemerc.dashboard import run_dashboard

    code = run_dashboard(monitor, theme=monitor.config.screen.theme)
    recorded = [f"recorded: {recorder.what}" for recorder in monitor.recorders]
    for announcement in [*monitor.announcements, *recorded]:
        print(f"livemerc: {plain_text(announcement)}", file=sys.stderr)
    return code


def _nowhere(event: Event) -> None:
    """Shows nothing."""


def _print_events(monitor: RecordingMonitor, *, json: bool) -> None:
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
