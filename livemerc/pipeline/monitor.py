"""The chain: the only place where the stages meet. Offline it runs in one thread, live in three behind bounded lanes.

The room is called `chain` and not `monitor`: `livemerc.monitor(...)` is the public function, and a submodule of the
same name would replace it as soon as it is imported.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import msgspec

from livemerc import __version__
from livemerc.asr.engine import AsrEngine, NoAsr
from livemerc.asr.select import choose_engine
from livemerc.audio.ears import EarItem, Ending, Onset, Speech, Utterance, make_ears
from livemerc.audio.source import Block, Source
from livemerc.config import Config
from livemerc.errors import LivemercError
from livemerc.events import (
    AsrInfo,
    EmotionEvent,
    Event,
    SessionEnd,
    SessionStart,
    Status,
    Timing,
)
from livemerc.model.checkpoint import checkpoint_info
from livemerc.pipeline.partials import snapshot_every_s
from livemerc.pipeline.processor import Brain, Situation
from livemerc.pipeline.speculation import Ahead
from livemerc.runtime.clocks import DueClock, WallClock
from livemerc.runtime.gauges import PAUSED, Gauges
from livemerc.runtime.lanes import Closed, Lane
from livemerc.runtime.worker import Worker

FINALS_WAITING = 64
"""Finals that may wait for the brain before the ears wait too; then the microphone's ring holds `audio.ring_s` more."""
EVENTS_WAITING = 4096
_LOOK_EVERY_S = 0.25
"""How often the brain looks up from waiting: for words that came late, for lag that has passed, for a stop."""


class Monitor:
    """One session. `events()` once; `stop()` and `gauges()` from any thread.

    `announce` is told which ASR was chosen and why, in a sentence. `tap` gets every block of the source, in the thread
    that hears: it must not block. Raises `LivemercError` from `events()`.
    """

    def __init__(
        self,
        source: Source,
        config: Config,
        *,
        demo: bool = False,
        terminal: bool = False,
        tap: Callable[[Block], None] | None = None,
    ):
        self.source = source
        self.config = config
        self.demo = demo
        self.terminal = terminal
        self.announcements: list[str] = []
        self.announce = self.announcements.append
        self._tap = tap
        self._notices: dict[str, str] = {}
        self._paused = False
        # The microphone already listens; the model's folder is looked at before anything heavy is loaded.
        self._checkpoint = checkpoint_info(config.model.checkpoint)
        snapshots = snapshot_every_s(config) if source.live else None
        self._ears = make_ears(config, source, snapshots, endings=source.live and config.live.ahead_budget_ms > 0)
        self._items: Lane[EarItem] = Lane(FINALS_WAITING)
        self._events: Lane[Event] = Lane(EVENTS_WAITING)
        pace = getattr(source, "speed", 1.0) or 1.0
        self._clock = WallClock(pace)
        self._due = DueClock(pace)
        self._started = time.monotonic()
        self._loading: str | None = "models"
        self._working_since_s: float | None = None
        self._inherited_s = 0.0  # lag that loading left behind, and that is no sign of a machine too slow
        self._failure: BaseException | None = None
        self._brain: Brain | None = None
        self._last_status = 0.0
        self._stopped_s: float | None = None
        self._gone = False  # nobody takes events any more
        self._hearing = threading.Lock()  # the ears are fed by one thread; another may have to end them
        self._flushed = False

    def stop(self) -> None:
        """Stop listening; what was heard is still transcribed and judged, then `session.end` comes. What takes longer
        than `live.stop_within_s` is given up: words and labels then say so, and no utterance is lost."""
        if self._stopped_s is None:
            self._stopped_s = time.monotonic()
        self.source.close()

    def switch(self, device: str | int) -> None:
        """The same session goes on with another microphone. Raises `MicrophoneError`; nothing to a file or a pipe."""
        change = getattr(self.source, "switch", None)
        if change is not None:
            change(device)

    @property
    def paused(self) -> bool:
        return self._paused

    def pause(self, paused: bool) -> None:
        """Hear nothing from now on, or hear again; from any thread.

        A source that can wait (a file) waits. The world does not: an open utterance ends, and what is said meanwhile is
        not taken in, neither judged nor recorded; that is no loss. `status.degraded` says so as long as it lasts.
        """
        if paused == self._paused:
            return
        self._paused = paused
        hold = getattr(self.source, "hold", None)
        if hold is not None:
            if not paused:  # what was to come has been put off
                pace = getattr(self.source, "speed", 1.0) or 1.0
                self._clock, self._due = WallClock(pace), DueClock(pace)
            hold(paused)
        self.notice("pause", PAUSED if paused else None)

    def passed_at(self, t_s: float) -> float | None:
        """`time.monotonic()` when the source's sample at `t_s` had come; None before anything was heard."""
        return self._clock.at(t_s)

    @property
    def ahead(self) -> Ahead | None:
        """What work was done while hangovers still ran, and what of it was in vain; None while models load."""
        return None if self._brain is None else self._brain.ahead

    def notice(self, key: str, sentence: str | None) -> None:
        """`status.degraded` tells `sentence` from now on, until None takes it back. From any thread."""
        if sentence is None:
            self._notices.pop(key, None)
        else:
            self._notices[key] = sentence

    def gauges(self) -> Gauges:
        health = self.source.health()
        since = self._working_since_s
        lag = 0.0 if since is None or not self.source.live else max(0.0, self._due.now_s() - since)
        return Gauges(
            t_s=self._ears.t_s,
            level_dbfs=self._ears.level_dbfs,
            speaking=self._ears.speaking,
            lag_s=lag,
            queued={"asr": len(self._items), "events": len(self._events)},
            dropped_s=health.dropped_s,
            overruns=health.overruns,
            mic=health.mic,
            degraded="; ".join(list(self._notices.values())) or None,
            elapsed_s=time.monotonic() - self._started,
            loading=self._loading,
        )

    def events(self) -> Iterator[Event]:
        """`session.start` first, `session.end` last. Closing the iterator early stops the session without flushing."""
        yield from self._live() if self.source.live else self._offline()

    # -- one thread ------------------------------------------------------------------------------------------------

    def _offline(self) -> Iterator[Event]:
        brain: Brain | None = None
        try:
            brain, start = self._load()
            yield start
            failure: LivemercError | None = None
            try:
                for block in self._blocks():
                    for item in self._ears.feed(block):
                        yield from map(_compute_only, brain.catch_up())
                        yield from map(_compute_only, brain.handle(item))
                    yield from self._status()
                    if brain.failure is not None:
                        break
            except LivemercError as error:
                failure = error  # what was heard before is flushed first
            for item in self._ears.flush():
                yield from map(_compute_only, brain.handle(item))
            yield from map(_compute_only, brain.finish())
            yield self._end()
            failure = failure or brain.failure
            if failure is not None:
                raise failure
        finally:
            self.source.close()
            if brain is not None:
                brain.close()

    # -- three threads ---------------------------------------------------------------------------------------------

    def _live(self) -> Iterator[Event]:
        threads = [
            threading.Thread(target=self._guard, args=(self._ears_thread,), name="livemerc-ears", daemon=True),
            threading.Thread(target=self._guard, args=(self._brain_thread,), name="livemerc-brain", daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            while True:
                try:
                    event = self._events.get(timeout_s=self.config.live.status_every_s / 2)
                except Closed:
                    break
                if event is not None:
                    yield event
                if self._loading is None and not isinstance(event, SessionEnd):
                    yield from self._status()
        finally:
            # Stop all, then join. Closing one after the other would leave one waiting for another. A thread that is
            # stuck in native code is left behind: it is a daemon, and the process ends without it.
            self._gone = True
            self.source.close()
            self._items.abandon()
            self._events.abandon()
            until_s = time.monotonic() + self.config.live.stop_within_s
            for thread in threads:
                thread.join(max(0.0, until_s - time.monotonic()))
        if self._failure is not None:
            raise self._failure

    def _guard(self, run: Callable[[], None]) -> None:
        """Thread boundary: whatever a thread dies of is raised in the consumer's thread by `events()`."""
        try:
            run()
        except Closed:
            pass
        except BaseException as error:  # noqa: BLE001 - the boundary of a thread: raised again in the consumer's
            self._failure = self._failure or error
            self.source.close()

    def _ears_thread(self) -> None:
        try:
            for block in self._blocks():
                with self._hearing:
                    if self._flushed:
                        break
                    items = self._ears.feed(block)
                    self._clock.heard(self._ears.t_s)
                    self._due.heard(self._ears.t_s)
                    for item in items:
                        self._hand_over(item)
        finally:
            # Also when the source died: what was heard of the open utterance is still transcribed and judged.
            try:
                self._flush()
            finally:
                self._items.close()

    def _flush(self) -> None:
        """Hands over what the ears still hold, once."""
        with self._hearing:
            if not self._flushed:
                self._flushed = True
                for item in self._ears.flush():
                    self._hand_over(item)

    def _hand_over(self, item: EarItem) -> None:
        if isinstance(item, Speech | Ending):
            self._items.put_latest(item)
        elif not isinstance(item, Onset):
            if isinstance(item, Utterance) and self._working_since_s is None:
                self._working_since_s = item.decided_s
            self._items.put(item)

    def _brain_thread(self) -> None:
        brain: Brain | None = None
        try:
            brain, start = self._load()
            self._events.put(start)
            brain.warm()
            while True:
                try:
                    item = self._items.get(_LOOK_EVERY_S)
                except Closed:
                    break
                self._put(brain.catch_up())
                if item is None:
                    left_s = self._left_s()
                    if left_s is None or left_s > self.config.live.stop_within_s / 2:
                        continue
                    # The source does not come to its end (a driver that hangs): the ears end without it.
                    self._flush()
                    self._items.close()
                    continue
                if isinstance(item, Speech | Ending) and self._stopped_s is not None:
                    continue  # when stopping, what is left to say are finals
                self._put(self._handled(brain, item))
                if brain.failure is not None and self._failure is None:
                    self._failure = brain.failure
                    self.source.close()  # what was heard is flushed
            self._put(brain.finish())
            self._events.put(self._end())
        finally:
            # On a failure nobody takes utterances any more: wake the ears if they wait to hand one over.
            self._items.abandon()
            self._events.close()
            if brain is not None:
                brain.close()

    def _put(self, events: Iterator[Event]) -> None:
        for event in events:
            self._events.put(event)

    def _handled(self, brain: Brain, item: EarItem) -> Iterator[Event]:
        if isinstance(item, Utterance):
            self._working_since_s = item.decided_s
        for event in brain.handle(item):
            yield self._with_total(event, item)
        if not len(self._items):
            self._working_since_s = None
            self._inherited_s = 0.0

    def _behind_s(self, decided_s: float) -> float:
        """Lag of an item by this machine's own doing, in seconds of source audio."""
        if not self.source.live:
            return 0.0
        raw_s = max(0.0, self._due.now_s() - decided_s)
        self._inherited_s = min(self._inherited_s, raw_s)
        return raw_s - self._inherited_s

    def _left_s(self) -> float | None:
        """Seconds that a stopping session has left; raises `Closed` when nobody takes events any more."""
        if self._gone:
            raise Closed
        if self._stopped_s is None:
            return None
        return self._stopped_s + self.config.live.stop_within_s - time.monotonic()

    def _blocks(self) -> Iterator[Block]:
        for block in self.source.blocks():
            if self._paused and not hasattr(self.source, "hold"):  # only time passes
                block = replace(block, samples=block.samples[:0], gap_s=0.0)
            if self._tap is not None:
                self._tap(block)
            yield block

    # -- shared ----------------------------------------------------------------------------------------------------

    def _load(self) -> tuple[Brain, SessionStart]:
        """Recogniser and model. A stop does not wait for them longer than what was heard is worth."""
        situation = Situation(behind_s=self._behind_s, left_s=self._left_s, notice=self.notice)
        brain = Brain(self.config, NoAsr(), situation, load=False)
        self._brain = brain
        brain.begin_load()  # recogniser and model side by side
        try:
            asr = self._load_asr()
            if asr is not None:
                brain.use(asr)
                brain.load(self._in_vain)
        except BaseException:
            brain.close()
            raise
        self._loading = None
        since_s = self._working_since_s
        self._inherited_s = 0.0 if since_s is None else max(0.0, self._due.now_s() - since_s)
        name = AsrInfo(engine=self.config.asr.engine) if asr is None else AsrInfo(engine=asr.engine, model=asr.model)
        return brain, SessionStart(
            version=__version__,
            labels=brain.labels,
            checkpoint=self._checkpoint,
            asr=name,
            device=brain.device,
            source=self.source.name,
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _load_asr(self) -> AsrEngine | None:
        """None when the session was stopped before the recogniser was there."""
        worker = Worker("livemerc-load")
        job = worker.start(
            lambda: choose_engine(self.config, demo=self.demo, terminal=self.terminal, announce=self.announce)
        )
        reason = job.wait(self._in_vain)
        worker.close()
        return job.result() if reason is None else None

    def _in_vain(self, _: float) -> str | None:
        """Why nobody waits for a model that loads: the session was stopped, and nothing was heard or time is up."""
        left_s = self._left_s()
        if left_s is None:
            return None
        if not self.source.live or self._items.finished:
            return "nothing was heard"
        return "no time" if left_s <= self.config.live.stop_within_s / 4 else None

    def _with_total(self, event: Event, item: EarItem) -> Event:
        if not isinstance(event, EmotionEvent) or event.timing is None or not isinstance(item, Utterance):
            return event
        spoken = self._clock.at(item.end_s)
        total = None if spoken is None else (time.monotonic() - spoken) * 1000
        return msgspec.structs.replace(event, timing=msgspec.structs.replace(event.timing, total_ms=total))

    def _status(self) -> Iterator[Status]:
        now = time.monotonic()
        if now - self._last_status < self.config.live.status_every_s:
            return
        self._last_status = now
        g = self.gauges()
        yield Status(
            t_s=g.t_s, lag_s=g.lag_s, queued=g.queued, dropped_s=g.dropped_s, overruns=g.overruns,
            level_dbfs=g.level_dbfs, mic=g.mic, degraded=g.degraded,
        )  # fmt: skip

    def _end(self) -> SessionEnd:
        health = self.source.health()
        return SessionEnd(
            duration_s=self._ears.t_s,
            utterances=self._brain.utterances if self._brain else 0,
            dropped_s=health.dropped_s,
            overruns=health.overruns,
        )


def _compute_only(event: Event) -> Event:
    """As fast as it goes there is no waiting to measure: only asr, encode and fuse mean something."""
    if isinstance(event, EmotionEvent) and event.timing is not None:
        t = event.timing
        return msgspec.structs.replace(event, timing=Timing(asr_ms=t.asr_ms, encode_ms=t.encode_ms, fuse_ms=t.fuse_ms))
    return event
