"""One `livemerc run`: open the source, watch it, show the events, end cleanly."""

from __future__ import annotations

import errno
import io
import sys
from collections.abc import Callable
from pathlib import Path

from livemerc import process
from livemerc.audio.source import FileSource, MicSource, Source, StdinSource
from livemerc.chain import Monitor
from livemerc.config import Config
from livemerc.errors import EXIT_OK, ConfigError
from livemerc.events import Event, SessionStart, encode

DEMO_FOLDER = Path(__file__).parent / "demo"


def open_source(
    flag: str, mic: list[str] | None, file: Path | None, rate: int | None, speed: float, settings: Config
) -> Source:
    """The source that `flag` names. Raises `ConfigError`, `InputError` or `MicrophoneError`."""
    block_ms = settings.audio.block_ms
    if flag == "--mic":
        if mic and len(mic) > 1:
            raise ConfigError("--mic was given more than once; one microphone can be heard at a time.")
        name: str | int | None = mic[0] if mic else None
        if isinstance(name, str) and name.isdecimal():
            name = int(name)
        return MicSource(name, block_ms, settings.audio.ring_s)
    if flag == "--stdin":
        if sys.stdin is None or sys.stdin.isatty():
            raise ConfigError("--stdin wants samples piped in, and standard input is a terminal; see the README.")
        return StdinSource(process.claim_stdin(), 16_000 if rate is None else rate, block_ms)
    if flag == "--demo":
        return FileSource(DEMO_FOLDER / "demo.flac", speed=speed, block_ms=block_ms, name="demo")
    assert file is not None
    return FileSource(file, speed=speed, block_ms=block_ms)


def monitor(
    source: Source, settings: Config, signals: process.StopOnSignal, *, demo: bool, json: bool, plain: bool
) -> int:
    """Watch `source` to its end or to a stop signal and show its events. Returns the exit code."""
    screen = not json and not plain and process.has_screen()
    try:
        monitor = Monitor(source, settings, demo=demo, terminal=screen)
        signals.call(monitor.stop)
        if screen:
            _show_dashboard(monitor)
        else:
            _print_events(monitor, json=json)
    finally:
        source.close()
    for warning in source.warnings:
        print(f"livemerc: warning: {warning}", file=sys.stderr)
    return EXIT_OK


def _show_dashboard(monitor: Monitor) -> None:
    from livemerc.dashboard.app import run_dashboard

    with process.stderr_held():
        run_dashboard(monitor)


def _print_events(monitor: Monitor, *, json: bool) -> None:
    stdout = process.claim_stdout()
    show: Callable[[Event], None]
    if json:

        def show(event: Event) -> None:
            if isinstance(event, SessionStart):
                print(f"livemerc: {_what_runs(event)}", file=sys.stderr, flush=True)
            stdout.write(encode(event) + b"\n")

    else:
        from livemerc.plain import PlainPrinter

        show = PlainPrinter(io.TextIOWrapper(stdout, encoding="utf-8"), log=sys.stderr).write
    events = monitor.events()
    try:
        for event in events:
            try:
                show(event)
            except OSError as error:
                if error.errno not in (errno.EPIPE, errno.EIO):
                    raise
                monitor.stop()  # the reader or the terminal has gone: nobody is left to flush for
                process.silence_output()
                break
    finally:
        events.close()


def _what_runs(start: SessionStart) -> str:
    asr = start.asr.engine + (f" ({start.asr.model})" if start.asr.model else "")
    return f"source {start.source}, ASR {asr}, checkpoint {start.checkpoint.id}, on {start.device}."
