"""What a session hears: the source's blocks, who listens in, and the ears, which are fed until somebody ends them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

from livemerc.audio.ears import FLOOR_DBFS
from livemerc.audio.items import EarItem
from livemerc.audio.make_ears import make_ears
from livemerc.audio.source import Block, Holdable, Source
from livemerc.config import Config
from livemerc.pipeline.partials import snapshot_every_s
from livemerc.runtime.clocks import SourceClock

Tap = Callable[[Block], None]


class Hearing:
    """Source and ears. One thread takes `blocks` and feeds them; any thread may `pause`, or `flush` in its place.

    `tap`: gets every block, in the thread that hears; it must not block.
    """

    def __init__(self, source: Source, config: Config, clock: SourceClock) -> None:
        snapshots = snapshot_every_s(config) if source.live else None
        endings = source.live and config.live.ahead_budget_ms > 0
        self.source = source
        self.ears = make_ears(config, source, snapshots, endings=endings)
        self.loudest_dbfs = FLOOR_DBFS
        """RMS over a tenth of a second, so far."""
        self.tap: Tap | None = None
        self.paused = False
        self._clock = clock
        self._feeding = threading.Lock()  # the ears are fed by one thread; another may have to end them
        self._flushed = False

    def blocks(self) -> Iterator[Block]:
        """The source's blocks, after `tap` has seen them. A source that cannot wait goes on while the session pauses:
        then only time passes."""
        for block in self.source.blocks():
            if self.paused and not isinstance(self.source, Holdable):
                block = replace(block, samples=block.samples[:0], gap_s=0.0)
            if self.tap is not None:
                self.tap(block)
            yield block

    def feed(self, block: Block, take: Callable[[EarItem], None]) -> bool:
        """What the ears make of a block, to `take`. False once the ears have been ended."""
        with self._feeding:
            if self._flushed:
                return False
            before_s = self.ears.t_s
            items = self.ears.feed(block)
            if self.ears.t_s > before_s:  # not while a session that goes on hears its past again
                self._clock.heard(self.ears.t_s)
            self.loudest_dbfs = max(self.loudest_dbfs, self.ears.level_dbfs)
            for item in items:
                take(item)
            return True

    def flush(self, take: Callable[[EarItem], None]) -> None:
        """Ends the ears, once: what they still hold goes to `take`."""
        with self._feeding:
            if not self._flushed:
                self._flushed = True
                for item in self.ears.flush():
                    take(item)

    def pause(self, paused: bool) -> None:
        """Hears nothing from now on, or hears again. A source that can wait is held; the world goes on unheard."""
        self.paused = paused
        if isinstance(self.source, Holdable):
            if not paused:
                self._clock.restart()
            self.source.hold(paused)
