"""What the screen asks of what it shows: of a live monitor, and of whoever hands the events over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

from livemerc.dashboard.state.vitals import GaugesLike
from livemerc.events import Event
from livemerc.sessions.bookmarks import Bookmark
from livemerc.speakers.voiceprints import Consent


class EventSource(Protocol):
    """Whatever gives events until it is stopped. `stop` and `gauges` are called from any thread."""

    def events(self) -> Iterator[Event]: ...
    def stop(self) -> None: ...
    def gauges(self) -> GaugesLike: ...


class WatchedSource(Protocol):
    """Where the monitor's samples come from."""

    @property
    def name(self) -> str: ...


@runtime_checkable
class Microphone(WatchedSource, Protocol):
    """A source that can go on with another device; `livemerc.audio.microphone.source.MicSource` is one."""

    def switch(self, device: str | int) -> None: ...


class WatchedMonitor(EventSource, Protocol):
    """A live session; `livemerc.pipeline.recording_monitor.RecordingMonitor` is one."""

    @property
    def source(self) -> WatchedSource: ...

    @property
    def paused(self) -> bool: ...
    def pause(self, paused: bool) -> None: ...

    def switch(self, device: str | int) -> None:
        """Goes on with another microphone. Raises `MicrophoneError`."""

    @property
    def recording(self) -> str | None:
        """What is being recorded, in a word or two; None where nothing is."""

    @property
    def recording_folder(self) -> Path | None: ...
    def toggle_recording(self) -> str:
        """Ends the recording, or begins one. Returns a sentence about it."""

    def bookmark(self, bookmark: Bookmark) -> str:
        """Keeps the bookmark. Returns a sentence about where."""

    def notice_shown(self) -> str:
        """Keeps that people are shown the notice now. Returns a sentence about where."""


@runtime_checkable
class NamesSpeakers(Protocol):
    """A monitor in whose session speakers can be named. What is refused raises `LivemercError`."""

    @property
    def tells_voices_apart(self) -> bool:
        """Whether a speaker's voice may be remembered."""

    def name_speaker(self, speaker: str, name: str | None) -> None:
        """Calls a speaker so from now on; an event says it."""

    def remember_voice(self, speaker: str, name: str, consent: Consent) -> None:
        """Enrols the voice of a speaker."""


def microphone_of(monitor: WatchedMonitor) -> Microphone | None:
    """The source, if another device can take its place; None for a file or a pipe."""
    source = monitor.source
    return source if isinstance(source, Microphone) else None


class Feed(Protocol):
    """Hands events to the screen, which polls it: nothing here waits but `close`."""

    @property
    def waiting(self) -> bool:
        """Whether `take` would give an event now."""

    def start(self, arrived: Callable[[], object], ended: Callable[[BaseException | None], object]) -> None:
        """`arrived` is called, from any thread, when events begin to wait; `ended` once after the last one, with the
        exception that ended them or None. A feed that is only polled calls neither."""

    def take(self) -> Event | None:
        """The next event, if there is one."""

    def gauges(self) -> GaugesLike: ...

    def close(self, timeout_s: float) -> None:
        """No event is taken any more. Waits up to `timeout_s` for the threads behind it."""
