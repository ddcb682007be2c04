"""Replay: the same events in the same order, when their time has come."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest
from helpers.sessions import CHECKPOINT, HOSTILE, conversation, write_session

from livemerc.config import Config
from livemerc.events import EmotionEvent, Event, SessionEnd, SessionStart, Status, UtteranceFinal
from livemerc.sessions.player import Player
from livemerc.sessions.recorder import Recorder


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def player(path: Path, **how: float) -> tuple[Player, Clock]:
    clock = Clock()
    return Player(path, clock=clock, **how), clock  # type: ignore[arg-type]  # speed or begin_s


def taken(playing: Player) -> list[Event]:
    found = []
    while (event := playing.take()) is not None:
        found.append(event)
    return found


def test_as_fast_as_it_goes_everything_comes_at_once_in_its_order(tmp_path: Path) -> None:
    events = conversation(5, text=HOSTILE)
    playing, _ = player(write_session(tmp_path / "s", events), speed=0.0)
    assert list(playing.events()) == events
    assert playing.finished


@pytest.mark.parametrize("speed", [0.5, 1.0, 100.0])
def test_events_come_when_their_time_has_come(tmp_path: Path, speed: float) -> None:
    events = conversation(5)
    playing, clock = player(write_session(tmp_path / "s", events), speed=speed)
    assert [type(e) for e in taken(playing)][:2] == [SessionStart, type(events[1])]
    for t_s in (2.9, 3.1, 12.9, 13.1, 49.9, 50.0):
        clock.now_s = t_s / speed
        taken(playing)
        so_far = playing.journal.events[: playing.taken]
        finals = [e for e in so_far if isinstance(e, UtteranceFinal)]
        assert all(e.end_s <= t_s for e in finals)
        assert len(finals) == sum(isinstance(e, UtteranceFinal) and e.end_s <= t_s for e in events)
        assert all(e.t_s <= t_s for e in so_far if isinstance(e, Status))
    assert playing.finished
    assert playing.journal.events == events
    assert isinstance(events[playing.taken - 1], SessionEnd)


def test_a_pause_takes_no_time_and_speed_changes_where_it_is(tmp_path: Path) -> None:
    playing, clock = player(write_session(tmp_path / "s", conversation(5)))
    clock.now_s = 4.0
    taken(playing)
    playing.pause(True)
    clock.now_s = 100.0
    assert taken(playing) == []
    assert playing.position_s == 4.0
    playing.pause(False)
    playing.set_speed(10.0)
    clock.now_s = 101.0
    taken(playing)
    assert playing.position_s == 14.0


def test_seeking_goes_anywhere_and_stays_inside(tmp_path: Path) -> None:
    events = conversation(5)
    playing, clock = player(write_session(tmp_path / "s", events))
    assert playing.seek(1e9) == len(events)
    assert playing.position_s == playing.duration_s == 50.0
    assert playing.seek(-5) > 0  # what happened at 0
    assert playing.position_s == 0.0
    index = playing.seek(25.0)
    assert sum(isinstance(e, UtteranceFinal) for e in events[:index]) == 3
    clock.now_s += 8.5
    assert [e.utterance_id for e in taken(playing) if isinstance(e, UtteranceFinal)] == ["u4"]


def test_the_gauges_are_those_of_the_place(tmp_path: Path) -> None:
    playing, _ = player(write_session(tmp_path / "s", conversation(5)))
    playing.seek(2.0)
    assert (playing.gauges().speaking, playing.gauges().level_dbfs) == (True, None)
    playing.seek(26.0)
    assert (playing.gauges().speaking, playing.gauges().level_dbfs) == (False, -43.0)
    playing.seek(5.0)
    assert playing.gauges().level_dbfs == -41.0


def test_from_lets_what_was_before_come_at_once(tmp_path: Path) -> None:
    events = conversation(5)
    playing, _ = player(write_session(tmp_path / "s", events), begin_s=25.0)
    at_once = taken(playing)
    assert at_once == events[: len(at_once)]
    assert sum(isinstance(e, UtteranceFinal) for e in at_once) == 3


def test_stop_ends_a_replay_that_waits(tmp_path: Path) -> None:
    playing = Player(write_session(tmp_path / "s", conversation(5)), speed=0.5)
    got: list[Event] = []
    thread = threading.Thread(target=lambda: got.extend(playing.events()))
    thread.start()
    playing.stop()
    thread.join(30)
    assert not thread.is_alive()
    assert got == conversation(5)[: len(got)]


@pytest.mark.skipif(sys.platform == "win32", reason="locks tell whether a session is being recorded")
def test_a_session_that_is_being_recorded_is_followed_to_its_end(tmp_path: Path) -> None:
    events = conversation(4)
    recorder = Recorder(
        tmp_path / "s", source="test", rate_hz=16_000, live=True, checkpoint=CHECKPOINT, config=Config(), audio=False
    )
    half = len(events) // 2
    for event in events[:half]:
        recorder.write(event)
    playing, clock = player(tmp_path / "s", speed=100.0)
    clock.now_s = 10.0
    assert taken(playing) == events[:half]
    assert playing.growing
    assert not playing.finished
    edge_s = playing.position_s
    assert edge_s == playing.duration_s
    for event in events[half:]:
        recorder.write(event)
    recorder.close()
    clock.now_s = 20.0
    assert taken(playing) == events[half:]
    assert not playing.growing
    assert playing.finished


def test_an_empty_session_can_be_played(tmp_path: Path) -> None:
    playing, _ = player(write_session(tmp_path / "s", []))
    assert list(playing.events()) == []
    assert playing.gauges().t_s == 0.0
    assert playing.seek(10) == 0


def test_estimates_come_in_their_order(tmp_path: Path) -> None:
    playing, _ = player(write_session(tmp_path / "s", conversation(6)), speed=0.0)
    of_one = [e.status for e in playing.events() if isinstance(e, EmotionEvent) and e.utterance_id == "u2"]
    assert of_one == ["provisional", "revised", "frozen"]
