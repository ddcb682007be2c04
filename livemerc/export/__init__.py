"""A recorded session in the formats that other programs read: `livemerc export`. Documented in docs/formats.md.

One module a format or family; each turns a session into bytes, whole, before anything is written. Data formats (jsonl,
csv, parquet) keep every character of the words; formats that people look at show what would steer a screen
(`livemerc.text_safety`). Nothing here loads torch or Textual, and pyarrow only for parquet.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from livemerc.errors import EXIT_OK, warn
from livemerc.export import output
from livemerc.sessions.session import RecordedSession, read_session

FormatName = Literal["jsonl", "csv", "parquet", "srt", "vtt", "rttm", "emotionml", "textgrid", "audacity"]


class Format(NamedTuple):
    """`module` of this package has a function `name` (session -> bytes). `binary`: no terminal should see it."""

    name: FormatName
    module: str
    binary: bool = False


_MODULES: dict[FormatName, str] = {
    "csv": "csv_file",
    "parquet": "parquet_file",
    "srt": "subtitles",
    "vtt": "subtitles",
    "rttm": "turns",
    "emotionml": "emotionml_file",
    "textgrid": "tiers",
    "audacity": "tiers",
    "jsonl": "events_file",
}
FORMATS: dict[FormatName, Format] = {
    name: Format(name, _MODULES[name], binary=name == "parquet") for name in get_args(FormatName)
}


@dataclass(frozen=True, slots=True)
class Exported:
    """`data` is the whole file; `warnings` are sentences for the user."""

    data: bytes
    warnings: list[str] = field(default_factory=list)


def export(path: Path, name: FormatName, *, original: bool = False) -> Exported:
    """A session's folder, or a file of events, in the format `name`.

    original: without the corrections beside the events. Raises `InputError` as `sessions.journal.read` does, and
    `ConfigError` where a format's library is not installed.
    """
    module = importlib.import_module(f"{__name__}.{FORMATS[name].module}")
    if name == "jsonl":
        return Exported(*module.jsonl(path))
    session = read_session(path, corrected=not original)
    data = getattr(module, name)(session)
    return Exported(data, session.warnings + standing(session))


def standing(session: RecordedSession) -> list[str]:
    """Sentences about how the session ended, for whoever reads the export."""
    if session.growing:
        return [f"{session.name}: still being recorded; exported as far as it had come."]
    if not session.ended:
        return [f"{session.name}: cut short (it has no session.end); exported as far as it goes."]
    return []


def run(path: Path, name: FormatName, target: Path | None, *, original: bool = False) -> int:
    """`livemerc export` after its arguments. Returns the exit code. Raises `LivemercError`s."""
    if target is None and FORMATS[name].binary:
        output.refuse_terminal()
    exported = export(path, name, original=original)
    warn(*exported.warnings)
    output.put(exported.data, target)
    return EXIT_OK
