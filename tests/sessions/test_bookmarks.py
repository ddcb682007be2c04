"""Bookmarks: kept beside the events, read whatever else the file holds."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from helpers.sessions import conversation, write_session

from livemerc.errors import InputError
from livemerc.sessions.bookmarks import BOOKMARKS_FILE, Bookmark, append_bookmark, bookmark_now, read_bookmarks
from livemerc.sessions.session import read_session


def test_what_was_marked_is_read_back_in_order_of_its_time(tmp_path: Path) -> None:
    for t_s, note in ((12.0, "later"), (3.5, "first [b]"), (99.0, "")):
        append_bookmark(tmp_path, Bookmark(t_s=t_s, note=note, at="2026-01-02T03:04:05+00:00"))
    found, warnings = read_bookmarks(tmp_path)
    assert [(b.t_s, b.note) for b in found] == [(3.5, "first [b]"), (12.0, "later"), (99.0, "")]
    assert warnings == []
    assert stat.S_IMODE((tmp_path / BOOKMARKS_FILE).stat().st_mode) == 0o600


def test_no_file_is_no_bookmarks(tmp_path: Path) -> None:
    assert read_bookmarks(tmp_path) == ([], [])


def test_damaged_lines_are_named_and_skipped(tmp_path: Path) -> None:
    lines = [b'{"t_s": 1}', b"\xff\xfe", b'{"t_s": -4}', b'{"t_s": 1e300}', b'{"note": "x"}', b"[" * 5000, b'{"t_s": 2']
    (tmp_path / BOOKMARKS_FILE).write_bytes(b"\n".join(lines))
    found, warnings = read_bookmarks(tmp_path)
    assert [b.t_s for b in found] == [1.0]
    assert len(warnings) == 6
    assert all(f"line {number}" in warning for number, warning in enumerate(warnings, start=2))


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="no such protection on this system")
def test_a_link_is_neither_read_nor_written(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("")
    folder = tmp_path / "session"
    folder.mkdir()
    (folder / BOOKMARKS_FILE).symlink_to(elsewhere)
    with pytest.raises(OSError, match="symbolic"):
        append_bookmark(folder, Bookmark(t_s=1.0))
    with pytest.raises(InputError):
        read_bookmarks(folder)
    assert elsewhere.read_text() == ""


def test_one_after_a_line_that_was_cut_short_stands_by_itself(tmp_path: Path) -> None:
    append_bookmark(tmp_path, Bookmark(t_s=1.0))
    with (tmp_path / BOOKMARKS_FILE).open("ab") as file:
        file.write(b'{"t_s":2')
    append_bookmark(tmp_path, Bookmark(t_s=3.0, note="here"))
    found, warnings = read_bookmarks(tmp_path)
    assert [(b.t_s, b.note) for b in found] == [(1.0, ""), (3.0, "here")]
    assert len(warnings) == 1


def test_no_pipe_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / BOOKMARKS_FILE)
    with pytest.raises(OSError):  # noqa: PT011  # of two kinds: nobody reads it, or it is no plain file
        append_bookmark(tmp_path, Bookmark(t_s=1.0))


def test_a_file_that_cannot_be_read_costs_the_bookmarks_alone(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", conversation(2))
    (folder / BOOKMARKS_FILE).mkdir()
    session = read_session(folder)
    assert (len(session.utterances), session.bookmarks) == (2, [])
    assert any(BOOKMARKS_FILE in warning for warning in session.warnings)


def test_a_bookmark_says_when_it_was_made() -> None:
    assert bookmark_now(1.23456, "here").t_s == 1.235
    assert bookmark_now(0.0).at.endswith("+00:00")
