"""The chain in one thread, as fast as it goes: a file at speed 0, recorded words, tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from livemerc.audio.items import EarItem
from livemerc.errors import LivemercError
from livemerc.events import EmotionEvent, Event, SessionStart, Timing
from livemerc.pipeline.hearing import Hearing
from livemerc.pipeline.processor import Processor
from livemerc.pipeline.reports import Reports


class OfflineRun:
    """`events()` once, in the thread of whoever takes them. load: gives the processor and `session.start`."""

    def __init__(self, hearing: Hearing, load: Callable[[], tuple[Processor, SessionStart]], reports: Reports) -> None:
        self._hearing = hearing
        self._load = load
        self._reports = reports
        self.processor: Processor | None = None

    def queued(self) -> dict[str, int]:
        """Nothing waits where one thread does everything."""
        return {"asr": 0, "events": 0}

    def events(self) -> Iterator[Event]:
        """`session.start` first, `session.end` last. What the source or a part fails of is raised after that."""
        try:
            processor, start = self._load()
            self.processor = processor
            yield start
            failure: LivemercError | None = None
            try:
                for block in self._hearing.blocks():
                    items: list[EarItem] = []
                    self._hearing.feed(block, items.append)
                    for item in items:
                        yield from map(_compute_only, processor.catch_up())
                        yield from map(_compute_only, processor.handle(item))
                        yield from processor.explain_all()
                    yield from self._reports.status()
                    if processor.failure is not None:
                        break
            except LivemercError as error:
                failure = error  # what was heard before is flushed first
            items = []
            self._hearing.flush(items.append)
            for item in items:
                yield from map(_compute_only, processor.handle(item))
            yield from map(_compute_only, processor.finish())
            yield from self._reports.last_status()
            yield self._reports.end(processor.utterances)
            failure = failure or processor.failure
            if failure is not None:
                raise failure
        finally:
            self._hearing.source.close()
            if self.processor is not None:
                self.processor.close()


def _compute_only(event: Event) -> Event:
    """As fast as it goes there is no waiting to measure: only asr, encode and fuse mean something."""
    if isinstance(event, EmotionEvent) and event.timing is not None:
        t = event.timing
        return msgspec.structs.replace(event, timing=Timing(asr_ms=t.asr_ms, encode_ms=t.encode_ms, fuse_ms=t.fuse_ms))
    return event
