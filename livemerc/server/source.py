"""What is heard in a room: the audio of those who are connected, as one source with a channel for each."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from livemerc.audio.channels import ChannelEars
from livemerc.audio.items import EarItem
from livemerc.audio.source import Block, SourceHealth
from livemerc.config import Config
from livemerc.pipeline.partials import snapshot_every_s


@dataclass(frozen=True, slots=True)
class RoomBlock(Block):
    """`joins`: the channel's first, before any sound of it. `leaves`: its last."""

    joins: bool = False
    leaves: bool = False
    speaker: str | None = None
    rate_hz: int = 0


class RoomEars(ChannelEars):
    """Ears whose channels come and go with the blocks that say so."""

    def feed(self, block: Block) -> list[EarItem]:
        if isinstance(block, RoomBlock) and block.joins:
            self.join(block.speaker, block.rate_hz)
            return []
        if isinstance(block, RoomBlock) and block.leaves:
            return self.leave(block.channel)
        return super().feed(block)


class Channel:
    """One connected source. `samples`: how many the room has taken, lost ones included."""

    def __init__(self, number: int, speaker: str | None, rate_hz: int, start_s: float) -> None:
        self.number = number
        self.speaker = speaker
        self.rate_hz = rate_hz
        self.samples = 0
        self.left = False
        self._start_s = start_s
        self._lost_s = 0.0

    @property
    def t_s(self) -> float:
        """On the room's clock."""
        return self._start_s + self.samples / self.rate_hz

    def lose(self, samples: int) -> float:
        """Samples that never come; in seconds."""
        self.samples += samples
        lost_s = samples / self.rate_hz
        self._lost_s += lost_s
        return lost_s

    def block(self, samples: np.ndarray) -> RoomBlock:
        block = RoomBlock(samples, self.t_s, self._lost_s, self.number)
        self._lost_s = 0.0
        self.samples += len(samples)
        return block


_MERGED_S = 0.5


def _goes_on(block: RoomBlock, following: RoomBlock) -> bool:
    plain = not (block.joins or following.joins or following.leaves)
    return plain and block.channel == following.channel and following.gap_s == 0.0


class RoomSource:
    """A `Source`. The hearing thread takes `blocks`; one other thread calls all the rest.

    rate_hz: of the first channel. ring_s: seconds that wait at most; what a live source sends beyond is dropped and
    counted, one of a file is to ask `room_s` first: `taken` is called, in the hearing thread, when there is room again.
    """

    def __init__(self, name: str, rate_hz: int, ring_s: float, *, live: bool, taken: Callable[[], object]) -> None:
        self.name = name
        self.rate_hz = rate_hz
        self.live = live
        self.warnings: list[str] = []
        self.channels: list[Channel] = []
        self._ring_s = ring_s
        self._taken = taken
        self._blocks: deque[tuple[RoomBlock, float]] = deque()
        self._held_s = 0.0
        self._dropped_s = 0.0
        self._overruns = 0
        self._closed = False
        self._changed = threading.Condition()

    def ears(self, config: Config) -> RoomEars:
        """For `livemerc.audio.source.BringsEars`."""
        return RoomEars(config, self.rate_hz, (), snapshot_every_s(config) if self.live else None, in_step=False)

    @property
    def t_s(self) -> float:
        """How far the furthest channel has come."""
        return max((channel.t_s for channel in self.channels), default=0.0)

    @property
    def room_s(self) -> float:
        """How much more may wait."""
        return self._ring_s - self._held_s

    def join(self, speaker: str | None, rate_hz: int) -> Channel:
        """Somebody begins to speak, now. Of several each has a name."""
        number = len(self.channels)
        if speaker is None and number:
            speaker = f"speaker {number + 1}"
        channel = Channel(number, speaker, rate_hz, self.t_s)
        self.channels.append(channel)
        self._put(RoomBlock(np.zeros(0, np.float32), channel.t_s, 0.0, number, True, False, speaker, rate_hz), 0.0)
        return channel

    def feed(self, channel: Channel, pcm: bytes) -> None:
        """s16le."""
        length_s = len(pcm) / 2 / channel.rate_hz
        if self.live and self._held_s + length_s > self._ring_s:
            self._overruns += 1
            self._dropped_s += channel.lose(len(pcm) // 2)
            return
        samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32) / 32768.0
        self._put(channel.block(samples), length_s)

    def skip(self, channel: Channel, samples: int) -> None:
        """They were lost on their way."""
        self._overruns += 1
        self._dropped_s += channel.lose(samples)

    def leave(self, channel: Channel) -> None:
        """Nothing more will come of it; the last one ends the source."""
        if not channel.left:
            channel.left = True
            self._put(RoomBlock(np.zeros(0, np.float32), channel.t_s, 0.0, channel.number, leaves=True), 0.0)
            if all(one.left for one in self.channels):
                self.close()

    def _put(self, block: RoomBlock, length_s: float) -> None:
        with self._changed:
            self._blocks.append((block, length_s))
            self._held_s += length_s
            self._changed.notify_all()

    # -- as a source -------------------------------------------------------------------------------------------------

    def blocks(self) -> Iterator[Block]:
        """Ends once it is closed and nothing waits."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._blocks) or self._closed)
                if not self._blocks:
                    return
                block = self._take()
            yield block
            if not self.live:
                self._taken()

    def _take(self) -> RoomBlock:
        """The next; what waits behind it of the same channel comes with it, up to half a second: whoever is behind has
        less to do."""
        block, length_s = self._blocks.popleft()
        pieces = [block.samples]
        while self._blocks and length_s < _MERGED_S and _goes_on(block, self._blocks[0][0]):
            following, more_s = self._blocks.popleft()
            pieces.append(following.samples)
            length_s += more_s
        self._held_s = self._held_s - length_s if self._blocks else 0.0
        return block if len(pieces) == 1 else replace(block, samples=np.concatenate(pieces))

    def close(self) -> None:
        """Nothing more is taken in; what waits is still heard."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def health(self) -> SourceHealth:
        return SourceHealth(overruns=self._overruns, dropped_s=self._dropped_s)
