"""A paused session hears nothing: the world goes on without it, a file waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from helpers.paths import DEMO

from livemerc.audio.file_source import FileSource
from livemerc.audio.source import Block, SourceHealth
from livemerc.config import Config, load_config
from livemerc.events import SessionEnd, UtteranceFinal
from livemerc.pipeline.monitor import Monitor
from livemerc.pipeline.recording import RecordingMonitor
from livemerc.runtime.notices import PAUSED
from livemerc.sessions.bookmarks import Bookmark, read_bookmarks


def settings(**more: object) -> Config:
    return load_config(None, {"asr.engine": "none"} | more, environ={})


class World:
    """The demo as a microphone hears it: nothing makes it wait. `at` is called once, at that second."""

    name, live, speakers = "mic:demo", False, ()

    def __init__(self, at: dict[float, Callable[[], None]]) -> None:
        self._file = FileSource(DEMO, speed=0)
        self.rate_hz = self._file.rate_hz
        self.warnings: list[str] = []
        self._at = at

    def blocks(self) -> Iterator[Block]:
        due = sorted(self._at)
        for block in self._file.blocks():
            while due and block.start_s >= due[0]:
                self._at[due.pop(0)]()
            yield replace(block, gap_s=0.0)

    def close(self) -> None:
        self._file.close()

    def health(self) -> SourceHealth:
        return SourceHealth()


def test_what_the_world_says_during_a_pause_is_not_heard_and_not_counted_as_lost() -> None:
    tapped: list[Block] = []
    degraded: list[str | None] = []

    def pause() -> None:
        monitor.pause(True)
        degraded.append(monitor.gauges().degraded)

    def go_on() -> None:
        monitor.pause(False)
        degraded.append(monitor.gauges().degraded)

    monitor = Monitor(World({10.0: pause, 20.0: go_on}), settings())
    monitor.tap(tapped.append)
    events = list(monitor.events())
    finals = [event for event in events if isinstance(event, UtteranceFinal)]
    assert finals
    assert all(final.end_s <= 10.5 or final.start_s >= 19.9 for final in finals)
    assert any(final.end_s <= 10.5 for final in finals)
    assert any(final.start_s >= 19.9 for final in finals)
    assert degraded == [PAUSED, None]
    assert all(not len(block.samples) for block in tapped if 10.1 < block.start_s < 19.9)
    end = events[-1]
    assert isinstance(end, SessionEnd)
    assert end.dropped_s == 0.0


def test_a_file_waits_and_goes_on_where_it_was() -> None:
    source = FileSource(DEMO, speed=0)
    blocks: list[Block] = []
    source.hold(True)
    thread = threading.Thread(target=lambda: blocks.extend(source.blocks()))
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    assert blocks == []
    source.hold(False)
    thread.join(60)
    assert not thread.is_alive()
    whole = list(FileSource(DEMO, speed=0).blocks())
    assert [(block.start_s, len(block.samples)) for block in blocks] == [(b.start_s, len(b.samples)) for b in whole]


def test_a_file_that_is_held_can_be_closed() -> None:
    source = FileSource(DEMO, speed=1)
    source.hold(True)
    thread = threading.Thread(target=lambda: list(source.blocks()))
    thread.start()
    source.close()
    thread.join(60)
    assert not thread.is_alive()


def test_marks_go_to_the_recording_and_to_one_that_begins_later(tmp_path: Path) -> None:
    kept = settings(**{"record.folder": str(tmp_path / "later")})
    monitor = RecordingMonitor(Monitor(FileSource(DEMO, speed=0), kept), None)
    said = monitor.bookmark(Bookmark(t_s=1.0))
    assert "nothing is being recorded" in said
    monitor.toggle_recording()
    assert monitor.recording_folder is not None
    folder = monitor.recording_folder
    assert monitor.bookmark(Bookmark(t_s=2.5, note="here")) == "Marked, and kept with the recording"
    assert [(b.t_s, b.note) for b in read_bookmarks(folder)[0]] == [(1.0, ""), (2.5, "here")]
    monitor.toggle_recording()
    monitor.source.close()
