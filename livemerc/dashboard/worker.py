"""The thread that listens to the monitor, so that the screen never waits for it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

from livemerc.dashboard.state.session import GaugesLike
from livemerc.events import Event
from livemerc.sessions.bookmarks import Bookmark

_INBOX_EVENTS = 4096
_GIVE_UP_EVERY_S = 0.2


class MonitorLike(Protocol):
    """What the dashboard needs of a monitor; `livemerc.pipeline.monitor.Monitor` is one."""

    def events(self) -> Iterator[Event]: ...
    def stop(self) -> None: ...
    def gauges(self) -> GaugesLike: ...


@runtime_checkable
class Recordable(Protocol):
    """A monitor whose recording can be ended and begun; `livemerc.pipeline.recording.RecordingMonitor` is one."""

    @property
    def recording(self) -> str | None: ...
    @property
    def recording_folder(self) -> Path | None: ...
    def toggle_recording(self) -> str: ...


@runtime_checkable
class Pausable(Protocol):
    """A monitor that can stop hearing and go on; `livemerc.pipeline.monitor.Monitor` is one."""

    @property
    def paused(self) -> bool: ...
    def pause(self, paused: bool) -> None: ...


@runtime_checkable
class Markable(Protocol):
    """A monitor that keeps bookmarks; `livemerc.pipeline.recording.RecordingMonitor` is one."""

    def bookmark(self, bookmark: Bookmark) -> str: ...


@runtime_checkable
class Switchable(Protocol):
    """A source that can go on with another device; `livemerc.audio.microphone.source.MicSource` is one."""

    name: str

    def switch(self, device: str | int) -> None: ...


class WorkerLike(Protocol):
    """Whoever hands events to the screen."""

    @property
    def waiting(self) -> bool: ...
    def start(self) -> None: ...
    def take(self) -> Event | None: ...
    def stop_monitor(self) -> None: ...
    def cancel(self, timeout_s: float) -> bool: ...


class EventWorker:
    """Iterates `monitor.events()` into a bounded inbox.

    arrived: called from the worker's thread when the inbox was empty before; ended: called there once, with the
    exception that ended the events or None. A full inbox makes the monitor wait; nothing is dropped.
    """

    def __init__(
        self, monitor: MonitorLike, arrived: Callable[[], object], ended: Callable[[BaseException | None], object]
    ) -> None:
        self._monitor = monitor
        self._arrived = arrived
        self._ended = ended
        self._inbox: queue.Queue[Event] = queue.Queue(_INBOX_EVENTS)
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._run, name="livemerc-events", daemon=True)
        self._stopper: threading.Thread | None = None

    def start(self) -> None:
        self._thread.start()

    def take(self) -> Event | None:
        """The next event, if there is one; never waits."""
        try:
            return self._inbox.get_nowait()
        except queue.Empty:
            return None

    @property
    def waiting(self) -> bool:
        return not self._inbox.empty()

    def stop_monitor(self) -> None:
        """Ask the monitor to flush its last utterance and end, from a thread: it may take its time."""
        if self._stopper is None:
            self._stopper = threading.Thread(target=self._monitor.stop, name="livemerc-stop", daemon=True)
            self._stopper.start()

    def cancel(self, timeout_s: float) -> bool:
        """Stop the monitor, take no more of its events, and join; False if a thread is busy even then."""
        self._cancelled.set()
        self.stop_monitor()
        threads = [t for t in (self._stopper, self._thread) if t is not None and t.ident is not None]
        for thread in threads:
            thread.join(timeout_s)
        return not any(thread.is_alive() for thread in threads)

    def _run(self) -> None:
        error: BaseException | None = None
        events = self._monitor.events()
        try:
            for event in events:
                self._put(event)
                if self._cancelled.is_set():
                    break
        except Exception as failure:  # noqa: BLE001 - the boundary of a thread: raised again in the caller's
            error = failure
        finally:
            if isinstance(events, Generator):
                events.close()  # left early: the monitor need not flush for nobody
        if not self._cancelled.is_set():
            self._ended(error)

    def _put(self, event: Event) -> None:
        while not self._cancelled.is_set():
            try:
                was_empty = self._inbox.empty()
                self._inbox.put(event, timeout=_GIVE_UP_EVERY_S)
            except queue.Full:
                continue
            if was_empty:
                self._arrived()
            return
