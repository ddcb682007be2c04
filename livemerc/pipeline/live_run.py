"""The chain in three threads: ears, processor, and whoever takes the events, with bounded lanes between them.

    ears --- lane of finals, and one place for the newest partial ---> processor --- lane of events ---> consumer

A full lane makes the thread before it wait, so that finals are never dropped; the wait shows as lag. A partial that
nobody took gives way to the next one. Against the deadlock of lanes closed one by one, a stop closes the source first;
the end then travels down.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import msgspec

from livemerc.audio.items import EarItem, Ending, Onset, Speech, Utterance
from livemerc.config import LiveConfig
from livemerc.events import EmotionEvent, Event, SessionEnd, SessionStart
from livemerc.pipeline.backlog import Backlog
from livemerc.pipeline.deadline import Deadline
from livemerc.pipeline.hearing import Hearing
from livemerc.pipeline.processor import Processor
from livemerc.pipeline.reports import Reports
from livemerc.runtime.clocks import SourceClock
from livemerc.runtime.lanes import Closed, Lane

FINALS_WAITING = 64
"""Finals that may wait for the processor before the ears wait too; then the microphone's ring holds `audio.ring_s`."""
EVENTS_WAITING = 4096
_LOOK_EVERY_S = 0.25
"""How often the processor looks up from waiting: for words that came late, for lag that has passed, for a stop."""
_SOURCE_SHARE = 0.5
"""Gives up waiting for the source's end when less than this share of a stopping session's time is left."""


class LiveRun:
    """`events()` once. load: gives the processor and `session.start`, in the processor's thread.

    The ears' thread owns `hearing`, the processor's thread the processor and its parts, the consumer's thread
    `reports`. They share the lanes, `backlog`, `deadline` and the clock, which are made for that.
    """

    def __init__(
        self,
        hearing: Hearing,
        load: Callable[[Callable[[], bool]], tuple[Processor, SessionStart]],
        reports: Reports,
        config: LiveConfig,
        clock: SourceClock,
        backlog: Backlog,
        deadline: Deadline,
    ) -> None:
        self._hearing = hearing
        self._load = load
        self._reports = reports
        self._config = config
        self._clock = clock
        self._backlog = backlog
        self._deadline = deadline
        self._items: Lane[EarItem] = Lane(FINALS_WAITING)
        self._events: Lane[Event] = Lane(EVENTS_WAITING)
        self._failure: BaseException | None = None
        self.processor: Processor | None = None
        """None while models load."""

    def queued(self) -> dict[str, int]:
        """What waits in the lanes; from any thread."""
        return {"asr": len(self._items), "events": len(self._events)}

    # -- the consumer's thread -------------------------------------------------------------------------------------

    def events(self) -> Iterator[Event]:
        """`session.start` first, `session.end` last; then what a thread has died of is raised."""
        threads = [
            threading.Thread(target=self._guard, args=(self._hear,), name="livemerc-ears", daemon=True),
            threading.Thread(target=self._guard, args=(self._process,), name="livemerc-processor", daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            while True:
                try:
                    event = self._events.get(timeout_s=self._config.status_every_s / 2)
                except Closed:
                    break
                if event is not None:
                    yield event
                if self.processor is not None and not isinstance(event, SessionEnd):
                    yield from self._reports.status()
        finally:
            # Stop all, then join: closing one after the other would leave one waiting for another. A thread that is
            # stuck in native code is left behind; it is a daemon, and the process ends without it.
            self._deadline.abandon()
            self._hearing.source.close()
            self._items.abandon()
            self._events.abandon()
            until_s = time.monotonic() + self._config.stop_within_s
            for thread in threads:
                thread.join(max(0.0, until_s - time.monotonic()))
        if self._failure is not None:
            raise self._failure

    def _guard(self, run: Callable[[], None]) -> None:
        """Thread boundary: what a thread dies of is raised by `events()`, in the consumer's."""
        try:
            run()
        except Closed:
            pass
        except BaseException as error:  # noqa: BLE001 - the boundary of a thread: raised again in the consumer's
            self._failure = self._failure or error
            self._hearing.source.close()

    # -- the ears' thread ------------------------------------------------------------------------------------------

    def _hear(self) -> None:
        try:
            for block in self._hearing.blocks():
                if not self._hearing.feed(block, self._hand_over):
                    break
        finally:
            # Also when the source died: what was heard of the open utterance is still transcribed and judged.
            try:
                self._hearing.flush(self._hand_over)
            finally:
                self._items.close()

    def _hand_over(self, item: EarItem) -> None:
        if isinstance(item, Speech | Ending):
            self._items.put_latest(item)
        elif not isinstance(item, Onset):
            if isinstance(item, Utterance):
                self._backlog.handed_over(item.decided_s)
            self._items.put(item)

    # -- the processor's thread ------------------------------------------------------------------------------------

    def _process(self) -> None:
        processor: Processor | None = None
        try:
            processor, start = self._load(lambda: self._items.finished)
            self._backlog.loaded()
            self._events.put(start)
            self.processor = processor  # only now: no status comes before the start
            processor.warm()
            while True:
                try:
                    item = self._items.get(_LOOK_EVERY_S)
                except Closed:
                    break
                self._put(processor.catch_up())
                if item is None:
                    if self._deadline.is_within(_SOURCE_SHARE):
                        # The source does not come to its end (a driver that hangs): the ears end without it.
                        self._hearing.flush(self._hand_over)
                        self._items.close()
                    else:
                        self._put(processor.explain())
                elif not (isinstance(item, Speech | Ending) and self._deadline.stopping):
                    # when stopping, what is left to say are finals
                    self._put(self._handled(processor, item))
                    if processor.failure is not None and self._failure is None:
                        self._failure = processor.failure
                        self._hearing.source.close()  # what was heard is flushed
            self._put(processor.finish())
            self._put(self._reports.last_status())
            self._events.put(self._reports.end(processor.utterances))
        finally:
            # On a failure nobody takes utterances any more: wake the ears if they wait to hand one over.
            self._items.abandon()
            self._events.close()
            if processor is not None:
                processor.close()

    def _put(self, events: Iterator[Event]) -> None:
        for event in events:
            self._events.put(event)

    def _handled(self, processor: Processor, item: EarItem) -> Iterator[Event]:
        if isinstance(item, Utterance):
            self._backlog.took(item.decided_s)
        for event in processor.handle(item):
            yield self._with_total(event, item)
        if not len(self._items):
            self._backlog.emptied()

    def _with_total(self, event: Event, item: EarItem) -> Event:
        if not isinstance(event, EmotionEvent) or event.timing is None or not isinstance(item, Utterance):
            return event
        spoken_s = self._clock.passed_at(item.end_s)
        total_ms = None if spoken_s is None else (time.monotonic() - spoken_s) * 1000
        return msgspec.structs.replace(event, timing=msgspec.structs.replace(event.timing, total_ms=total_ms))
