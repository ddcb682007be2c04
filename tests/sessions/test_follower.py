"""A session followed while it is recorded: at its newest event, and what happens when its recorder goes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from helpers.growing_session import GrowingSession
from helpers.scripted_monitor import FakeClock
from helpers.sessions import conversation, info, write_session

from livemerc.errors import InputError
from livemerc.sessions.folder import EVENTS_FILE
from livemerc.sessions.follower import QUIET_AFTER_S, Follower

pytest.importorskip("fcntl")  # a living recorder is known by its lock


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[GrowingSession]:
    opened = GrowingSession(tmp_path / "meeting", conversation(20, ends=False))
    yield opened
    opened.die()


def taken(follower: Follower) -> int:
    while follower.take() is not None:
        pass
    return follower.taken


def test_it_begins_at_the_newest_event_and_what_comes_is_there_at_once(recording: GrowingSession) -> None:
    recording.write(100)
    clock = FakeClock()
    follower = Follower(recording.path, clock=clock)
    assert taken(follower) == 100
    recording.write(40)
    clock.now_s += 0.3
    assert taken(follower) == 140
    assert follower.position_s == follower.duration_s
    assert follower.behind_s == 0
    assert follower.trouble is None
    follower.close()


def test_back_and_paused_it_stays_behind_until_it_is_sent_to_the_edge(recording: GrowingSession) -> None:
    recording.write(100)
    clock = FakeClock()
    follower = Follower(recording.path, clock=clock)
    edge_s = follower.duration_s
    follower.seek(edge_s - 20)
    clock.now_s += 5
    taken(follower)
    assert follower.behind_s == pytest.approx(15)
    follower.pause(True)
    recording.write()
    clock.now_s += 1
    assert follower.behind_s == pytest.approx(15)
    taken(follower)
    assert follower.behind_s == pytest.approx(15 + follower.duration_s - edge_s)
    follower.go_live()
    clock.now_s += 0.3
    taken(follower)
    assert (follower.behind_s, follower.paused) == (0, False)
    follower.pause(True)
    assert not follower.at_edge
    follower.close()


def test_played_faster_than_spoken_it_catches_up(recording: GrowingSession) -> None:
    recording.write(100)
    clock = FakeClock()
    follower = Follower(recording.path, clock=clock)
    follower.seek(follower.duration_s - 20)
    follower.set_speed(10)
    clock.now_s += 3
    taken(follower)
    assert follower.at_edge
    follower.close()


@pytest.mark.parametrize("there", ["nothing", "folder", "empty journal"])
def test_what_is_not_there_yet_is_waited_for(tmp_path: Path, there: str) -> None:
    path = tmp_path / "meeting"
    if there != "nothing":
        path.mkdir()
    if there == "empty journal":
        (path / EVENTS_FILE).touch()
    clock = FakeClock()
    follower = Follower(path, clock=clock)
    events = follower.journal.events
    for _ in range(3):
        clock.now_s += 1
        assert follower.take() is None
        assert follower.waiting
        assert not follower.finished
    recording = GrowingSession(path, conversation(3))
    recording.write(10)
    clock.now_s += 1
    assert taken(follower) == 10
    assert follower.journal.events is events
    recording.write()
    recording.die()
    clock.now_s += 1
    taken(follower)
    assert follower.finished
    assert follower.trouble is None


def test_a_recorder_that_died_is_told(recording: GrowingSession) -> None:
    recording.write(50)
    clock = FakeClock()
    follower = Follower(recording.path, clock=clock)
    recording.file.write(b'{"type": "emotion", "utter')
    recording.die()
    clock.now_s += 1
    assert taken(follower) == 50
    assert "broke off" in (follower.trouble or "")
    assert any("incomplete" in warning for warning in follower.journal.warnings)
    follower.close()


def test_a_folder_that_vanished_is_told(recording: GrowingSession) -> None:
    recording.write(50)
    clock = FakeClock()
    follower = Follower(recording.path, clock=clock)
    shutil.rmtree(recording.path)
    clock.now_s += 1
    assert taken(follower) == 50
    assert "vanished" in (follower.trouble or "")
    clock.now_s += 100
    assert taken(follower) == 50
    follower.close()


def test_a_recorder_that_hangs_is_told_and_its_return_too(recording: GrowingSession) -> None:
    recording.write(50)
    clock = FakeClock()
    follower = Follower(recording.path, clock=clock)
    clock.now_s += QUIET_AFTER_S + 7
    taken(follower)
    assert "Nothing new for 12 s" in (follower.trouble or "")
    recording.write(1)
    clock.now_s += 1
    taken(follower)
    assert follower.trouble is None
    follower.close()


def test_a_newer_format_is_refused_at_the_door_and_told_later(tmp_path: Path) -> None:
    path = tmp_path / "meeting"
    clock = FakeClock()
    late = Follower(path, clock=clock)
    write_session(path, conversation(1))
    (path / "session.json").write_bytes(msgspec.json.encode(info(schema=99)))
    with pytest.raises(InputError, match="newer livemerc"):
        Follower(path)
    clock.now_s += 1
    assert late.take() is None
    assert "newer livemerc" in (late.trouble or "")
    late.close()


def test_hopeless_places_are_refused(tmp_path: Path) -> None:
    write_session(tmp_path / "many" / "monday", conversation(1))
    with pytest.raises(InputError, match=r"many.monday"):
        Follower(tmp_path / "many")
    with pytest.raises(InputError, match="above it"):
        Follower(tmp_path / "no" / "such")
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / EVENTS_FILE).symlink_to(tmp_path / "many" / "monday" / EVENTS_FILE)
    with pytest.raises(InputError, match="link"):
        Follower(tmp_path / "link")


def test_a_finished_session_is_shown_at_its_end(tmp_path: Path) -> None:
    events = conversation(4)
    follower = Follower(write_session(tmp_path / "s", events))
    assert taken(follower) == len(events)
    assert follower.finished
    assert (follower.trouble, follower.behind_s) == (None, 0)
