"""The thread that listens to the monitor, so that the screen never waits for it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator

from livemerc.dashboard.state.vitals import GaugesLike
from livemerc.dashboard.watched import EventSource
from livemerc.events import Event

_INBOX_EVENTS = 4096
_GIVE_UP_EVERY_S = 0.2


class EventWorker:
    """A `Feed` that iterates `source.events()` into a bounded inbox, in a thread of its own.

    A full inbox makes the source wait; nothing is dropped.
    """

    def __init__(self, source: EventSource) -> None:
        self._source = source
        self._arrived: Callable[[], object] = lambda: None
        self._ended: Callable[[BaseException | None], object] = lambda error: None
        self._inbox: queue.Queue[Event] = queue.Queue(_INBOX_EVENTS)
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._run, name="livemerc-events", daemon=True)
        self._stopper: threading.Thread | None = None

    def start(self, arrived: Callable[[], object], ended: Callable[[BaseException | None], object]) -> None:
        """Both are called from the worker's thread: `arrived` when the inbox was empty before."""
        self._arrived, self._ended = arrived, ended
        self._thread.start()

    def take(self) -> Event | None:
        try:
            return self._inbox.get_nowait()
        except queue.Empty:
            return None

    @property
    def waiting(self) -> bool:
        return not self._inbox.empty()

    def gauges(self) -> GaugesLike:
        return self._source.gauges()

    def stop(self) -> None:
        """Asks the source to flush its last utterance and end, from a thread of its own: it may take its time."""
        if self._stopper is None:
            self._stopper = threading.Thread(target=self._source.stop, name="livemerc-stop", daemon=True)
            self._stopper.start()

    def close(self, timeout_s: float) -> None:
        """Stops the source, takes no more of its events, and joins; a thread that is busy even then is left alone."""
        self._cancelled.set()
        self.stop()
        threads = [t for t in (self._stopper, self._thread) if t is not None and t.ident is not None]
        for thread in threads:
            thread.join(timeout_s)

    def _run(self) -> None:
        error: BaseException | None = None
        events = self._source.events()
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
