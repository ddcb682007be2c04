"""Replay: the same events in the same order, when their time has come; and the list of sessions."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import msgspec
import pytest
from helpers.sessions import CHECKPOINT, HOSTILE, conversation, info, write_session
from rich.cells import cell_len

from livemerc.config import Config
from livemerc.console import session_table as replay
from livemerc.errors import ConfigError, InputError
from livemerc.events import EmotionEvent, Event, SessionEnd, SessionStart, Status, UtteranceFinal, encode
from livemerc.sessions.journal import AUDIO_FILE, EVENTS_FILE, SESSION_FILE
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


@pytest.mark.parametrize(
    ("text", "expected"), [("12:30", 750.0), ("1:02:03.5", 3723.5), ("75", 75.0), ("0:07", 7.0), ("90:00", 5400.0)]
)
def test_times_are_written_as_people_do(text: str, expected: float) -> None:
    assert replay.seconds(text) == expected


@pytest.mark.parametrize("text", ["", "-1", "1:60", "12:30:", "nan", "1e5", "1:2:3:4", "٣", "9" * 30])
def test_what_is_no_time_is_a_usage_error(text: str) -> None:
    with pytest.raises(ConfigError, match="--from"):
        replay.seconds(text)


def test_the_list_tells_the_whole_the_cut_and_the_broken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_session(tmp_path / "a-whole", conversation(3), audio=AUDIO_FILE)
    write_session(tmp_path / "b-cut", conversation(2, ends=False), tail=b'{"type":"sta')
    write_session(tmp_path / "c-empty", [])
    write_session(tmp_path / "d-climbs", conversation(1), audio="../../secret.flac")
    (tmp_path / "e-broken").mkdir()
    (tmp_path / "e-broken" / SESSION_FILE).write_text("{}")
    newer = encode(conversation(0)[0]).replace(b'"schema":1', b'"schema":3')
    write_session(tmp_path / "f-newer", [], tail=newer + b"\n")
    (tmp_path / "no session").mkdir()
    found = {s.name: s for s in replay.summaries(tmp_path)}
    assert {name: s.state for name, s in found.items()} == {
        "a-whole": "whole",
        "b-cut": "cut short",
        "c-empty": "cut short",
        "d-climbs": "whole",
        "e-broken": "broken",
        "f-newer": "broken",
    }
    assert {name: (s.utterances, s.duration_s, s.audio) for name, s in found.items() if name[0] in "abcd"} == {
        "a-whole": (3, 30.0, "yes"),
        "b-cut": (2, 19.5, "no"),
        "c-empty": (0, 0.0, "no"),
        "d-climbs": (1, 10.0, "refused"),
    }
    assert found["a-whole"].started_at == "2026-01-02T03:04:05.000+00:00"
    assert replay.list_sessions(tmp_path) == 0
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 7
    for name, word in (
        ("b-cut", "incomplete"),
        ("d-climbs", "refused"),
        ("e-broken", "no session"),
        ("f-newer", "newer"),
    ):
        assert any(name in line and word in line for line in shown.err.splitlines()), (name, shown.err)


def test_a_session_lists_itself_and_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", conversation(1))
    assert [s.name for s in replay.summaries(folder)] == ["s"]
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "absent", folder / EVENTS_FILE):
        with pytest.raises(InputError):
            replay.list_sessions(path)


def test_a_session_past_its_retention_is_named(tmp_path: Path) -> None:
    for number, days in enumerate((1, 10**6, 10**12, 40_000)):
        folder = write_session(tmp_path / f"s{number}", conversation(1))
        kept = msgspec.structs.replace(info(), retention_days=days)
        (folder / SESSION_FILE).write_bytes(msgspec.json.encode(kept))
    found = [s.broken for s in replay.summaries(tmp_path)]
    assert found[0] is not None
    assert "until 2026-01-03; delete it" in found[0]
    assert found[1:] == [None, None, None]


def test_hostile_names_and_sources_do_not_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = conversation(0)[0]
    folder = write_session(tmp_path / "a\x1b[31mb", [msgspec.structs.replace(start, source=HOSTILE)])
    (folder / SESSION_FILE).unlink()
    replay.list_sessions(tmp_path)
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err
    assert len(shown.out.splitlines()) == 2


def test_estimates_come_in_their_order(tmp_path: Path) -> None:
    playing, _ = player(write_session(tmp_path / "s", conversation(6)), speed=0.0)
    of_one = [e.status for e in playing.events() if isinstance(e, EmotionEvent) and e.utterance_id == "u2"]
    assert of_one == ["provisional", "revised", "frozen"]


def test_wide_names_keep_the_columns_of_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("会議🎭", "meeting"):
        write_session(tmp_path / name, conversation(1))
    replay.list_sessions(tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert {cell_len(line[: line.index("00:10")]) for line in lines[1:]} == {lines[0].index("length")}
