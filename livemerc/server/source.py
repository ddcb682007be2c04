"""What is heard in a room: the audio of those who are connected, as one source with a channel for each."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from livemerc.audio.channels import ChannelEars
from livemerc.audio.items import Dropped, EarItem, Ending, Onset, Speech, Utterance
from livemerc.audio.source import Block, SourceHealth
from livemerc.config import Config
from livemerc.pipeline.partials import snapshot_every_s
from livemerc.server.journal import Found, Lost


@dataclass(frozen=True, slots=True)
class RoomBlock(Block):
    """`joins`: the channel's first, before any sound of it. `leaves`: its last."""

    joins: bool = False
    leaves: bool = False
    speaker: str | None = None
    rate_hz: int = 0


@dataclass(frozen=True, slots=True)
class Dealt:
    """What need not be said again: `utterances`, and of each channel all that ends by `until_s`."""

    utterances: int
    until_s: Sequence[float]


_ALIKE_S = 0.3
"""Ears that begin in the middle may hear an end a little later; an utterance that is new ends later than that."""


class RoomEars(ChannelEars):
    """Ears whose channels come and go with the blocks that say so. dealt: of a room that another process began."""

    def __init__(
        self, config: Config, rate_hz: int, snapshot_every_s: float | None, dealt: Dealt | None = None
    ) -> None:
        super().__init__(config, rate_hz, (), snapshot_every_s, in_step=False)
        self._dealt_s = () if dealt is None else dealt.until_s
        self._finals = 0 if dealt is None else dealt.utterances

    def _named(self, item: Onset | Dropped | Speech | Ending | Utterance, channel: int) -> EarItem | None:
        named = super()._named(item, channel)
        until_s = self._dealt_s[channel] if channel < len(self._dealt_s) else 0.0
        if isinstance(item, Utterance):
            if item.end_s > until_s + _ALIKE_S or not until_s:
                return named
            self._finals -= 1
            return None
        start_s = (
            item.utterance.start_s
            if isinstance(item, Ending)
            else item.t_s
            if isinstance(item, Dropped)
            else item.start_s
        )
        return named if start_s >= until_s else None

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
_NOTHING = np.zeros(0, np.float32)


def _floats(pcm: bytes) -> np.ndarray:
    return np.frombuffer(pcm, dtype="<i2").astype(np.float32) / 32768.0


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
        """With the seconds of the ring that each takes; what a journal brings takes none."""
        self._dealt: Dealt | None = None
        self._held_s = 0.0
        self._dropped_s = 0.0
        self._overruns = 0
        self._closed = False
        self._changed = threading.Condition()

    def ears(self, config: Config) -> RoomEars:
        """For `livemerc.audio.source.BringsEars`."""
        return RoomEars(config, self.rate_hz, snapshot_every_s(config) if self.live else None, self._dealt)

    def restore(self, found: Found, dealt: Dealt) -> None:
        """Goes on where a journal ends: its channels are there, and its sound is heard again. Before anything else."""
        self._dealt = dealt
        self._overruns = len(found.lost)
        for joined in found.joined:
            channel = Channel(len(self.channels), joined.speaker, joined.rate_hz, joined.start_s)
            self.channels.append(channel)
            self._dropped_s += sum(one.samples for one in found.lost if one.channel == channel.number) / channel.rate_hz
            self._put(self._first(channel), 0.0)
        for record in found.sound:
            channel = self.channels[record.channel]
            channel.samples = record.at
            if isinstance(record, Lost):
                channel.lose(record.samples)
            else:
                self._put(channel.block(_floats(record.pcm)), 0.0)
        for number in sorted(found.left):
            self._last(self.channels[number])

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
        self._put(self._first(channel), 0.0)
        return channel

    def _first(self, channel: Channel) -> RoomBlock:
        rate_hz, speaker = channel.rate_hz, channel.speaker
        return RoomBlock(_NOTHING, channel.t_s, 0.0, channel.number, True, False, speaker, rate_hz)

    def _last(self, channel: Channel) -> None:
        channel.left = True
        self._put(RoomBlock(_NOTHING, channel.t_s, 0.0, channel.number, leaves=True), 0.0)
        if all(one.left for one in self.channels):
            self.close()

    def feed(self, channel: Channel, pcm: bytes) -> bool:
        """s16le. False = there was no place, and it is lost."""
        length_s = len(pcm) / 2 / channel.rate_hz
        if self.live and self._held_s + length_s > self._ring_s:
            self._overruns += 1
            self._dropped_s += channel.lose(len(pcm) // 2)
            return False
        self._put(channel.block(_floats(pcm)), length_s)
        return True

    def skip(self, channel: Channel, samples: int) -> None:
        """They were lost on their way."""
        self._overruns += 1
        self._dropped_s += channel.lose(samples)

    def leave(self, channel: Channel) -> None:
        """Nothing more will come of it; the last one ends the source."""
        if not channel.left:
            self._last(channel)

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
        most = _MERGED_S * self.channels[block.channel].rate_hz
        while self._blocks and sum(map(len, pieces)) < most and _goes_on(block, self._blocks[0][0]):
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
