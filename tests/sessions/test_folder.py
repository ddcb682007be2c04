"""The folder of a session: what in it is opened, what is refused, and who is writing it."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest
from helpers.sessions import conversation, info, write_session

from livemerc.errors import InputError
from livemerc.sessions import journal
from livemerc.sessions.folder import (
    AUDIO_FILE,
    EVENTS_FILE,
    SESSION_FILE,
    audio_path,
    being_recorded,
    create_plain,
    hold,
    holds_session,
    open_plain,
    read_info,
    session_of,
)

posix = pytest.mark.skipif(sys.platform == "win32", reason="modes, links and locks of POSIX")


@pytest.mark.parametrize(
    "name",
    ["../secret.flac", "/etc/passwd", "..", ".", "", "a/b.flac", "a\\b.flac", "C:audio.flac", "nul\0.flac", "\x1b[31m"],
)
def test_an_audio_name_that_climbs_out_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.flac").write_bytes(b"fLaC")
    folder = write_session(tmp_path / "s", conversation(1))
    with pytest.raises(InputError, match="not a plain file name; refused"):
        audio_path(folder, info(name))


@posix
def test_audio_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"fLaC")
    folder = write_session(tmp_path / "s", conversation(1))
    (folder / AUDIO_FILE).symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match="a link"):
        audio_path(folder, info(AUDIO_FILE))


def test_what_is_missing_from_a_session_is_named_as_that(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", conversation(1), audio="audio.flac")
    (folder / "audio.flac").unlink()
    header = read_info(folder)
    with pytest.raises(InputError, match=r"audio\.flac: missing from the session's folder"):
        audio_path(folder, header)
    (folder / "session.json").unlink()
    assert "session.json: missing from the session's folder" in journal.read(folder).warnings[0]


@posix
def test_only_a_plain_file_is_opened(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"words")
    (tmp_path / "link").symlink_to(tmp_path / "plain")
    os.mkfifo(tmp_path / "pipe")
    with open_plain(tmp_path / "plain") as file:
        assert file.read() == b"words"
    open_plain(tmp_path / "link", follow=True).close()
    for name, said in (("link", "a link"), ("pipe", "no plain file"), ("absent", "missing from the session's folder")):
        with pytest.raises(InputError, match=said):
            open_plain(tmp_path / name)


@posix
def test_what_is_created_is_private_and_replaces_nothing(tmp_path: Path) -> None:
    before = os.umask(0o777)
    try:
        create_plain(tmp_path / "file").close()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        create_plain(tmp_path / "file")


@posix
def test_the_lock_tells_that_a_session_is_being_recorded(tmp_path: Path) -> None:
    assert not being_recorded(tmp_path)
    with create_plain(tmp_path / EVENTS_FILE) as writing:
        assert not being_recorded(tmp_path)
        hold(writing)
        assert being_recorded(tmp_path)
    assert not being_recorded(tmp_path)


def test_the_events_file_of_a_session_stands_for_its_folder(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", conversation(1))
    assert holds_session(folder)
    assert not holds_session(tmp_path)
    assert session_of(folder / EVENTS_FILE) == session_of(folder) == folder
    (folder / SESSION_FILE).unlink()
    assert session_of(folder / EVENTS_FILE) == folder / EVENTS_FILE  # a file of events alone
