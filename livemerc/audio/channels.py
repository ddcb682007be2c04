"""Several channels, one speaker each, one conversation: ears for every channel, their items in one order."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from operator import itemgetter

from livemerc.audio.ears import FLOOR_DBFS, Ears
from livemerc.audio.items import Dropped, EarItem, Ending, Onset, Quiet, Recalled, Speech, Utterance
from livemerc.audio.source import Block
from livemerc.config import Config


class ChannelEars:
    """`Ears` of several channels: each has its own detector and endpointer, and gives its utterances its speaker.

    Items come in the order of the audio time at which they were decided; at the same time, the lower channel first.
    `in_step`: the channels come from one device or file, so an item waits until every channel was heard up to its
    time, and the result does not depend on how the channels' blocks alternate. Otherwise (devices with clocks of their
    own, one of which may be silent or gone) nobody waits for anybody: the order is that of arrival.
    """

    def __init__(
        self,
        config: Config,
        rate_hz: int,
        speakers: tuple[str, ...],
        snapshot_every_s: float | None = None,
        *,
        in_step: bool = True,
        endings: bool = False,
    ) -> None:
        self._speakers: list[str | None] = []
        self._in_step = in_step
        self._new_ears = partial(Ears, config, snapshot_every_s=snapshot_every_s, endings=endings)
        self._channels: list[Ears] = []
        for speaker in speakers:
            self.join(speaker, rate_hz)
        self._freeze_after_s = config.dialogue.freeze_after_s
        self._pending: list[tuple[float, int, EarItem]] = []
        self._open: list[int] = []  # channels with an open utterance, the one that began first in front
        self._finals = 0
        self._quiet_due_s: float | None = None

    def join(self, speaker: str | None, rate_hz: int) -> None:
        """One more channel, the last; it is heard from its first block on. speaker: None = unknown."""
        self._speakers.append(speaker)
        self._channels.append(self._new_ears(rate_hz))

    def leave(self, channel: int) -> list[EarItem]:
        """A channel has come to its end; only where they are not in step."""
        self._pending.extend((t_s, channel, item) for t_s, item in self._channels[channel].flush_timed())
        return self._release()

    @property
    def t_s(self) -> float:
        """Audio time heard so far, on the channel that is ahead."""
        return max((ears.t_s for ears in self._channels), default=0.0)

    @property
    def level_dbfs(self) -> float:
        """Of the loudest channel: RMS of the last 100 ms."""
        return max((ears.level_dbfs for ears in self._channels), default=FLOOR_DBFS)

    @property
    def speaking(self) -> bool:
        """Whether an utterance is open on any channel."""
        return any(ears.speaking for ears in self._channels)

    def feed(self, block: Block) -> list[EarItem]:
        """Raises IndexError for a block of a channel without a speaker."""
        timed = self._channels[block.channel].feed_timed(block)
        self._pending.extend((t_s, block.channel, item) for t_s, item in timed)
        return self._release()

    def flush(self) -> list[EarItem]:
        """The end of the stream: open utterances end, the one that was decided first in front."""
        for channel, ears in enumerate(self._channels):
            self._pending.extend((t_s, channel, item) for t_s, item in ears.flush_timed())
        return self._take(float("inf"))

    def _release(self) -> list[EarItem]:
        heard_s = [ears.framed_s for ears in self._channels]
        items = self._take(min(heard_s) if self._in_step else float("inf"))
        items.extend(self._quiet(min(heard_s) if self._in_step else max(heard_s)))
        return items

    def _take(self, until_s: float) -> list[EarItem]:
        """What waits and was decided up to `until_s`."""
        self._pending.sort(key=itemgetter(0, 1))  # stable: within a channel the order stays
        items: list[EarItem] = []
        taken = 0
        for t_s, channel, item in self._pending:
            if t_s > until_s:
                break
            taken += 1
            if not isinstance(item, Quiet | Recalled):  # one channel's silence is not the conversation's
                if self._quiet_due_s is not None and self._quiet_due_s < t_s:
                    items.extend(self._quiet(t_s))
                named = self._named(item, channel)
                if named is not None:
                    items.append(named)
        del self._pending[:taken]
        return items

    def _named(self, item: Onset | Dropped | Speech | Ending | Utterance, channel: int) -> EarItem | None:
        """The item with the id it has in the conversation, and its speaker; None = nobody is to hear of it."""
        if isinstance(item, Onset):
            self._open.append(channel)
        utterance_id = f"u{self._finals + 1 + self._open.index(channel)}"
        if isinstance(item, Speech):
            return replace(item, utterance_id=utterance_id, speaker=self._speakers[channel])
        if isinstance(item, Ending):
            named = replace(item.utterance, utterance_id=utterance_id, speaker=self._speakers[channel])
            return Ending(named, item.left_s)
        if isinstance(item, Onset):
            return replace(item, utterance_id=utterance_id)
        self._open.remove(channel)
        if isinstance(item, Dropped):
            return replace(item, utterance_id=utterance_id)
        self._finals += 1
        self._quiet_due_s = max(self._quiet_due_s or 0.0, item.end_s + self._freeze_after_s)
        return replace(item, utterance_id=f"u{self._finals}", speaker=self._speakers[channel])

    def _quiet(self, t_s: float) -> list[EarItem]:
        """Nobody has spoken for long enough at `t_s`."""
        if self._quiet_due_s is None or self._open or t_s < self._quiet_due_s:
            return []
        due_s, self._quiet_due_s = self._quiet_due_s, None
        return [Quiet(due_s)]
