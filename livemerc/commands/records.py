"""`livemerc replay`, `export` and `sessions`: what has been recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from livemerc import process
from livemerc.commands.root import app
from livemerc.errors import EXIT_OK, ConfigError


@app.command(sort_key=4)
def replay(
    directory: Path,
    /,
    *,
    speed: float = 1.0,
    begin: Annotated[str, Parameter(name="--from")] = "0",
    json: bool = False,
    plain: bool = False,
) -> int:
    """Play a recorded session: the same events in the same order, also of one that is still being recorded.

    Parameters
    ----------
    directory
        The session's folder (`run --record`), or a file of events that `run --json` printed.
    speed
        0.5 to 100 times as fast as it was (default 1), or 0 for as fast as it goes.
    begin
        Where to begin, for instance 12:30; what was before comes at once.
    json
        Events as JSON Lines on standard output, and nothing else there.
    plain
        One line per settled label instead of the dashboard.
    """
    if json and plain:
        raise ConfigError("--json and --plain exclude each other; choose one.")
    if not (speed == 0 or 0.5 <= speed <= 100):
        raise ConfigError("--speed of a replay is 0.5 to 100, or 0 for as fast as it goes.")
    from livemerc import replay as room

    begin_s = room.seconds(begin)
    with process.StopOnSignal() as signals:
        try:
            return room.replay(directory, signals, speed=speed, begin_s=begin_s, json=json, plain=plain)
        except KeyboardInterrupt:
            return EXIT_OK


@app.command(sort_key=4)
def export(
    directory: Path,
    /,
    *,
    format: Annotated[
        Literal["jsonl", "csv", "parquet", "srt", "vtt", "rttm", "emotionml", "textgrid", "audacity"],
        Parameter(name=("--format", "-f")),
    ],
    output: Annotated[Path | None, Parameter(name=("--output", "-o"), metavar="FILE")] = None,
    force: bool = False,
    original: bool = False,
) -> int:
    """Write a recorded session in a format that other programs read; corrections are applied.

    Parameters
    ----------
    directory
        The session's folder (`run --record`), or a file of events that `run --json` printed.
    format
        jsonl (the events), csv and parquet (tables), srt and vtt (subtitles), rttm (turns), emotionml, textgrid (Praat)
        or audacity (labels): docs/formats.md.
    output
        A file, written whole or not at all (default, and -: standard output).
    force
        Overwrite the file if it exists.
    original
        As it was recorded: without the corrections.
    """
    from livemerc.export import output as place
    from livemerc.export import run

    target = None if output is None or str(output) == "-" else output
    if target is not None:
        place.check_target(target, directory, force=force)
    return run(directory, format, target, original=original)


@app.command(sort_key=4)
def sessions(directory: Path, /) -> int:
    """List the recorded sessions in a folder: when, how long, from what, and which are damaged.

    Parameters
    ----------
    directory
        A folder of sessions' folders, or a session's own.
    """
    from livemerc import replay as room

    return room.list_sessions(directory)
