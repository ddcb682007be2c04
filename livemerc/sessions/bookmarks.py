"""Moments that somebody has marked: `bookmarks.jsonl` beside a session's events, which stay as they are.

One JSON object a line, appended; the recorder of a session and a replay of it write them, with the key `b`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from livemerc.sessions.journal import LATEST_S
from livemerc.sessions.lines import append_line, read_lines

BOOKMARKS_FILE = "bookmarks.jsonl"

_LONGEST_FILE_BYTES = 1 << 24


class Bookmark(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A moment. `t_s`: seconds of source audio since the session began; `at`: ISO 8601, UTC, when it was marked."""

    t_s: float
    note: str = ""
    at: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.t_s <= LATEST_S:
            raise ValueError("a time that no session has")


def bookmark_now(t_s: float, note: str = "") -> Bookmark:
    """A bookmark that is made now."""
    return Bookmark(t_s=round(t_s, 3), note=note, at=datetime.now(UTC).isoformat(timespec="seconds"))


def append_bookmark(folder: Path, bookmark: Bookmark) -> None:
    """Append it to the session's bookmarks (0600): it is on the disk when this returns, or the file is as it was.

    Raises `OSError`, also for a file of that name that is no plain file.
    """
    append_line(folder / BOOKMARKS_FILE, msgspec.json.encode(bookmark))


def read_bookmarks(folder: Path) -> tuple[list[Bookmark], list[str]]:
    """(bookmarks in order of their time, sentences about damaged lines). Without a file there are none.

    Raises `InputError` where the file cannot be read.
    """
    bookmarks, warnings = read_lines(folder / BOOKMARKS_FILE, Bookmark, _LONGEST_FILE_BYTES, "bookmarks")
    return sorted(bookmarks, key=lambda bookmark: bookmark.t_s), warnings
