"""`livemerc export`: a recorded session for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter


def export(
    directory: Path,
    /,
    *,
    format: Annotated[
        Literal["jsonl", "csv", "parquet", "srt", "vtt", "rttm", "emotionml", "textgrid", "audacity"],
        Parameter(name=("--format", "-f")),
    ],
    output: Annotated[Path | None, Parameter(name=("--output", "-o"), metavar="FILE")] = None,
    original: bool = False,
) -> int:
    """Write a recorded session in a format that other programs read; corrections are applied.

    Parameters
    ----------
    directory
        The session's folder (`run --record`), or a file of events that `run --json` printed.
    format
        Tables, subtitles, turns, annotations, or the events themselves: docs/formats.md describes each.
    output
        A file, written whole or not at all, over an earlier one (default: standard output).
    original
        As it was recorded: without the corrections.
    """
    from livemerc.export import run
    from livemerc.export.output import check_target
    from livemerc.sessions.folder import session_of

    if output is not None:
        check_target(output, directory)
    return run(session_of(directory), format, output, original=original)
