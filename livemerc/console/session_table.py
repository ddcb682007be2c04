"""`livemerc replay` and `livemerc sessions`: recorded sessions, without a model."""

from __future__ import annotations

import errno
import io
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from rich.cells import cell_len, set_cell_size

from livemerc.errors import EXIT_INPUT, EXIT_OK, ConfigError, InputError
from livemerc.events import Event, SessionEnd, SessionStart, UtteranceFinal, encode
from livemerc.notation import clock
from livemerc.runtime import process
from livemerc.sessions.journal import (
    EVENTS_FILE,
    SESSION_FILE,
    Journal,
    SessionInfo,
    audio_path,
    being_recorded,
    read,
)
from livemerc.sessions.player import Player
from livemerc.text_safety import plain_text, sure_width


def seconds(text: str) -> float:
    """`12:30`, `1:02:03.5` or plain seconds. Raises `ConfigError`."""
    if not re.fullmatch(r"(?:\d{1,4}:[0-5]?\d:[0-5]?\d|\d{1,5}:[0-5]?\d|\d{1,8})(?:\.\d{1,9})?", text, re.ASCII):
        raise ConfigError(f"--from {text}: not a time; write 12:30 (minutes:seconds), 1:02:03 or plain seconds.")
    total = 0.0
    for part in text.split(":"):
        total = total * 60 + float(part)
    return total


def replay(path: Path, signals: process.StopOnSignal, *, speed: float, begin_s: float, json: bool, plain: bool) -> int:
    """Play a recorded session. Returns the exit code. Raises `InputError`, `ConfigError`."""
    player = Player(path, speed=speed, begin_s=begin_s)
    if begin_s > player.duration_s and not player.growing:
        player.close()
        raise ConfigError(f"--from {clock(begin_s)}: the session ends at {clock(player.duration_s)}; begin before.")
    signals.call(player.stop)
    if not json and not plain and process.has_screen():
        from livemerc.config import load_config
        from livemerc.dashboard import run_replay

        code = run_replay(player, load_config().screen.theme)
    else:
        print_events(player, json=json)
        code = EXIT_OK
    for warning in player.journal.warnings:
        print(f"livemerc: warning: {plain_text(warning)}", file=sys.stderr)
    return code


def print_events(player: Player, *, json: bool) -> None:
    """Events on standard output, as JSON Lines or as one line per settled label, until the player ends."""
    stdout = process.claim_stdout()
    show: Callable[[Event], None]
    if json:

        def show(event: Event) -> None:
            stdout.write(encode(event) + b"\n")

    else:
        from livemerc.console.plain import PlainPrinter

        show = PlainPrinter(io.TextIOWrapper(stdout, encoding="utf-8"), log=sys.stderr).write
    for event in player.events():
        try:
            show(event)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):
                raise
            process.silence_output()
            player.close()
            return


# -- sessions ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Summary:
    """One session of a list. `broken`: what a person must know of it; in state "broken" the rest is unknown."""

    name: str
    started_at: str = ""
    duration_s: float = 0.0
    utterances: int = 0
    source: str = ""
    audio: str = "no"
    state: str = ""
    broken: str | None = None


def summaries(folder: Path) -> Iterator[Summary]:
    """The sessions in `folder`, by name; `folder` itself where it is one. Raises `InputError`."""
    if (folder / EVENTS_FILE).exists() or (folder / SESSION_FILE).exists():
        yield summary(folder)
        return
    try:
        children = sorted(folder.iterdir())
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{folder}: this folder cannot be listed ({why}); check the path.") from error
    for child in children:
        if any((child / name).exists() for name in (EVENTS_FILE, SESSION_FILE)):
            yield summary(child)


def summary(folder: Path) -> Summary:
    try:
        journal = read(folder)
    except InputError as error:
        return Summary(folder.name or folder.resolve().name, state="broken", broken=str(error))
    finals = [event for event in journal.events if isinstance(event, UtteranceFinal)]
    end = next((event for event in journal.events if isinstance(event, SessionEnd)), None)
    start = next((event for event in journal.events if isinstance(event, SessionStart)), None)
    info = journal.info
    audio, broken = "no", None
    if info is not None and info.audio is not None:
        try:
            audio = "yes" if audio_path(folder, info) else "no"
        except InputError as error:
            audio, broken = "refused", str(error)
    if broken is None:
        broken = journal.warnings[0] if journal.warnings else _overdue(info)
    return Summary(
        name=folder.name or folder.resolve().name,
        started_at=info.started_at if info is not None else start.started_at if start is not None else "",
        duration_s=end.duration_s if end is not None else _last_s(journal),
        utterances=len(finals),
        source=info.source if info is not None else start.source if start is not None else "",
        audio=audio,
        state="recording" if being_recorded(folder) else "whole" if journal.ended else "cut short",
        broken=broken,
    )


def _overdue(info: SessionInfo | None) -> str | None:
    """Whether the session was to be deleted by now."""
    if info is None or info.retention_days is None:
        return None
    try:
        until = datetime.fromisoformat(info.started_at) + timedelta(days=info.retention_days)
        if until > datetime.now(until.tzinfo):
            return None
    except (ValueError, OverflowError):
        return None
    return f"was to be kept for {info.retention_days} days, until {until:%Y-%m-%d}; delete it."


def _last_s(journal: Journal) -> float:
    times = (getattr(event, "end_s", None) or getattr(event, "t_s", None) or 0.0 for event in journal.events)
    return max(times, default=0.0)


def list_sessions(folder: Path) -> int:
    """Print the sessions in `folder`. Returns the exit code: 5 where there is none."""
    found = list(summaries(folder))
    if not found:
        raise InputError(f"{folder}: no sessions in this folder; `livemerc run --record {folder}/NAME` records one.")
    rows = [("session", "started", "length", "utterances", "audio", "state", "source")]
    rows += [
        (
            sure_width(s.name), _local(s.started_at), clock(s.duration_s), str(s.utterances), s.audio, s.state,
            sure_width(s.source),
        )
        for s in found
    ]  # fmt: skip
    widths = [max(cell_len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(set_cell_size(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for s in found:
        if s.broken is not None:
            which = "" if s.name in s.broken else f"{s.name}: "
            print(f"livemerc: warning: {plain_text(which + s.broken)}", file=sys.stderr)
    return EXIT_INPUT if all(s.state == "broken" for s in found) else EXIT_OK


def _local(started_at: str) -> str:
    """In this machine's time, to the minute; as it stands where it is no time."""
    try:
        return datetime.fromisoformat(started_at).astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return sure_width(started_at)[:16] or "-"
