"""The chain: the only place where the stages meet. Offline it runs in one thread, live in three behind bounded lanes.

The room is called `chain` and not `monitor`: `livemerc.monitor(...)` is the public function, and a submodule of the
same name would replace it as soon as it is imported.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from livemerc import __version__
from livemerc.asr.select import choose_engine
from livemerc.audio.ears import EarItem, Ears, Onset, Speech, Utterance
from livemerc.audio.source import Block, Source
from livemerc.brain import Brain
from livemerc.config import Config
from livemerc.errors import LivemercError
from livemerc.events import (
    AsrInfo,
    EmotionEvent,
    Event,
    MicState,
    SessionEnd,
    SessionStart,
    Status,
    Timing,
)
from livemerc.lanes import Closed, Lane
from livemerc.model.checkpoint import checkpoint_info

FINALS_WAITING = 64
"""Finals that may wait for the brain before the ears wait too; then the microphone's ring holds `audio.ring_s` more."""
EVENTS_WAITING = 4096
BEHIND_S = 3.0
"""Lag that is shown as a degraded mode; finals that wait always go before partials."""


@dataclass(frozen=True, slots=True)
class Gauges:
    """The monitor's instruments, for a screen that polls. Times in seconds, level in dBFS."""

    t_s: float = 0.0
    level_dbfs: float | None = None
    speaking: bool = False
    lag_s: float = 0.0
    queued: dict[str, int] = field(default_factory=dict)
    dropped_s: float = 0.0
    overruns: int = 0
    mic: MicState | None = None
    degraded: str | None = None
    elapsed_s: float = 0.0
    loading: str | None = None


class _WallClock:
    """Source time -> monotonic time, from when blocks arrive: the smallest delay of the last minute counts, so that
    neither a late block nor the drift of the device's clock enters. `pace`: source seconds a second (`--speed`).

    One thread calls `heard`, another `at`: what they share is one number.
    """

    def __init__(self, pace: float = 1.0) -> None:
        self._pace = pace
        self._delays: deque[tuple[float, float]] = deque()
        self._smallest_s: float | None = None

    def heard(self, t_s: float) -> None:
        now = time.monotonic()
        delay = now - t_s / self._pace
        while self._delays and self._delays[-1][1] >= delay:
            self._delays.pop()
        self._delays.append((now, delay))
        while now - self._delays[0][0] > 60.0:
            self._delays.popleft()
        self._smallest_s = self._delays[0][1]

    def at(self, t_s: float) -> float | None:
        delay = self._smallest_s
        return None if delay is None else t_s / self._pace + delay


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
        # The microphone already listens; the model's folder is looked at before anything heavy is loaded.
        self._checkpoint = checkpoint_info(config.model.checkpoint)
        snapshots = config.live.partial_every_s if source.live else None
        self._ears = Ears(config, source.rate_hz, snapshot_every_s=snapshots)
        self._items: Lane[EarItem] = Lane(FINALS_WAITING)
        self._events: Lane[Event] = Lane(EVENTS_WAITING)
        self._clock = _WallClock(getattr(source, "speed", 1.0) or 1.0)
        self._started = time.monotonic()
        self._loading: str | None = "models"
        self._working_since_s: float | None = None
        self._failure: BaseException | None = None
        self._brain: Brain | None = None
        self._last_status = 0.0
        self._stopping = False

    def stop(self) -> None:
        """Stop listening; what was heard is still transcribed and judged, then `session.end` comes."""
        self._stopping = True
        self.source.close()

    def switch(self, device: str | int) -> None:
        """The same session goes on with another microphone. Raises `MicrophoneError`; nothing to a file or a pipe."""
        change = getattr(self.source, "switch", None)
        if change is not None:
            change(device)

    def notice(self, key: str, sentence: str | None) -> None:
        """`status.degraded` tells `sentence` from now on, until None takes it back. From any thread."""
        if sentence is None:
            self._notices.pop(key, None)
        else:
            self._notices[key] = sentence

    def gauges(self) -> Gauges:
        health = self.source.health()
        since = self._working_since_s
        lag = 0.0 if since is None or not self.source.live else max(0.0, self._ears.t_s - since)
        notices = list(self._notices.values())
        if lag > BEHIND_S:
            notices.append("behind: no partial hypotheses until caught up")
        return Gauges(
            t_s=self._ears.t_s,
            level_dbfs=self._ears.level_dbfs,
            speaking=self._ears.speaking,
            lag_s=lag,
            queued={"asr": len(self._items), "events": len(self._events)},
            dropped_s=health.dropped_s,
            overruns=health.overruns,
            mic=health.mic,
            degraded="; ".join(notices) or None,
            elapsed_s=time.monotonic() - self._started,
            loading=self._loading,
        )

    def events(self) -> Iterator[Event]:
        """`session.start` first, `session.end` last. Closing the iterator early stops the session without flushing."""
        yield from self._live() if self.source.live else self._offline()

    # -- one thread ------------------------------------------------------------------------------------------------

    def _offline(self) -> Iterator[Event]:
        try:
            brain, start = self._load()
            yield start
            failure: LivemercError | None = None
            try:
                for block in self._blocks():
                    for item in self._ears.feed(block):
                        yield from map(_compute_only, brain.handle(item))
                    yield from self._status()
            except LivemercError as error:
                failure = error  # what was heard before is flushed first
            for item in self._ears.flush():
                yield from map(_compute_only, brain.handle(item))
            yield from brain.finish()
            yield self._end()
            if failure is not None:
                raise failure
        finally:
            self.source.close()

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
            # Stop all, then join. Closing one after the other would leave one waiting for another.
            self.source.close()
            self._items.abandon()
            self._events.abandon()
            for thread in threads:
                thread.join()
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
                items = self._ears.feed(block)
                self._clock.heard(self._ears.t_s)
                for item in items:
                    self._hand_over(item)
        finally:
            # Also when the source died: what was heard of the open utterance is still transcribed and judged.
            try:
                for item in self._ears.flush():
                    self._hand_over(item)
            finally:
                self._items.close()

    def _hand_over(self, item: EarItem) -> None:
        if isinstance(item, Speech):
            self._items.put_latest(item)
        elif not isinstance(item, Onset):
            if isinstance(item, Utterance) and self._working_since_s is None:
                self._working_since_s = item.decided_s
            self._items.put(item)

    def _brain_thread(self) -> None:
        try:
            brain, start = self._load()
            self._events.put(start)
            while True:
                try:
                    item = self._items.get()
                except Closed:
                    break
                if item is None or (self._stopping and isinstance(item, Speech)):
                    continue  # when stopping, what is left to say are finals
                if isinstance(item, Utterance):
                    self._working_since_s = item.decided_s
                for event in brain.handle(item):
                    self._events.put(self._with_total(event, item))
                if not len(self._items):
                    self._working_since_s = None
            for event in brain.finish():
                self._events.put(event)
            self._events.put(self._end())
        finally:
            # On a failure nobody takes utterances any more: wake the ears if they wait to hand one over.
            self._items.abandon()
            self._events.close()

    def _blocks(self) -> Iterator[Block]:
        for block in self.source.blocks():
            if self._tap is not None:
                self._tap(block)
            yield block

    # -- shared ----------------------------------------------------------------------------------------------------

    def _load(self) -> tuple[Brain, SessionStart]:
        asr = choose_engine(self.config, demo=self.demo, terminal=self.terminal, announce=self.announce)
        brain = Brain(self.config, asr)
        self._brain = brain
        self._loading = None
        return brain, SessionStart(
            version=__version__,
            labels=brain.labels,
            checkpoint=self._checkpoint,
            asr=AsrInfo(engine=asr.engine, model=asr.model),
            device=brain.device,
            source=self.source.name,
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

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
