"""Ears for a session that broke off and goes on: they hear its source again, and say only what is still needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from livemerc.audio.ears import AnyEars
from livemerc.audio.items import Dropped, EarItem, Ending, Onset, Quiet, Recalled, Speech, Utterance
from livemerc.audio.source import Block
from livemerc.events import UtteranceFinal

Item = TypeVar("Item", Onset, Dropped, Speech, Utterance)

_ROUNDING_S = 0.001
_ALIKE_S = 0.1
"""Ears are a function of the samples, but those of another version may hear a little more or less."""


@dataclass(frozen=True, slots=True)
class Past:
    """What of a session was recorded before it broke off, and which of its utterances are heard again."""

    finals: tuple[UtteranceFinal, ...]
    """In the order in which they came."""
    speakers: tuple[str, ...] = ()
    """Of the source's channels."""
    window: frozenset[str] = frozenset()
    """Ids of the utterances that the dialogue window holds."""
    voices: frozenset[str] = frozenset()
    """Ids of earlier ones whose voices the speakers' baselines hold."""

    def heard_until_s(self, channel: int) -> float:
        """End of that channel's last utterance."""
        return max((final.end_s for final in self.finals if self.channel(final) == channel), default=0.0)

    def channel(self, final: UtteranceFinal) -> int:
        """Whose it was; names that belong to no channel are a transcript's."""
        return self.channel_of(final.speaker)

    def channel_of(self, speaker: str | None) -> int:
        """The channel of that name; 0 where channels have none."""
        return self.speakers.index(speaker) if speaker in self.speakers else 0

    @property
    def until_s(self) -> float:
        """End of the last utterance on any channel."""
        return max((final.end_s for final in self.finals), default=0.0)


class ResumedEars:
    """`ears` hear the source from its beginning, so that what they hear behind the past is what they would have heard.

    Of the past they give the utterances that are still needed: those of the dialogue window, and as `Recalled` those of
    the baselines. One that is heard otherwise than it is recorded, by another version's ears, is left out. What is new
    is numbered from behind the past.
    """

    def __init__(self, ears: AnyEars, past: Past) -> None:
        self._ears = ears
        self._past = past
        self._until_s = past.until_s
        self._heard_until_s = [past.heard_until_s(channel) for channel in range(max(1, len(past.speakers)))]
        self._again = 0  # utterances of the past that were heard again
        self._more: int | None = None  # so many more than that were recorded; known when the first new one comes

    @property
    def t_s(self) -> float:
        return max(self._until_s, self._ears.t_s)

    @property
    def level_dbfs(self) -> float:
        return self._ears.level_dbfs

    @property
    def speaking(self) -> bool:
        return self._ears.speaking

    def feed(self, block: Block) -> list[EarItem]:
        return [*self._needed(self._ears.feed(block))]

    def flush(self) -> list[EarItem]:
        return [*self._needed(self._ears.flush())]

    def _needed(self, items: list[EarItem]) -> Iterator[EarItem]:
        for item in items:
            if isinstance(item, Utterance):
                yield from self._utterance(item)
            elif isinstance(item, Quiet):
                yield item
            elif isinstance(item, Ending):
                if item.utterance.start_s >= self._until(item.utterance.speaker) - _ROUNDING_S:
                    yield Ending(self._numbered(item.utterance), item.left_s)
            elif isinstance(item, Speech):
                if item.start_s >= self._until(item.speaker) - _ROUNDING_S:
                    yield self._numbered(item)
            elif isinstance(item, Onset):
                if item.start_s > self._until_s:
                    yield self._numbered(item)
            elif isinstance(item, Dropped) and item.t_s > self._until_s:
                yield self._numbered(item)

    def _until(self, speaker: str | None) -> float:
        return self._heard_until_s[self._past.channel_of(speaker)]

    def _utterance(self, heard: Utterance) -> Iterator[EarItem]:
        past = self._past
        if heard.end_s > self._until(heard.speaker) + _ALIKE_S:
            if self._more is None:
                self._more = len(past.finals) - self._again
            yield self._numbered(heard)
            return
        self._again += 1
        for final in past.finals[self._again - 1 : self._again]:
            if abs(final.start_s - heard.start_s) > _ALIKE_S or abs(final.end_s - heard.end_s) > _ALIKE_S:
                return
            if final.utterance_id in past.window:
                # It comes now: nobody is behind by as long as it is ago.
                yield replace(heard, utterance_id=final.utterance_id, decided_s=max(heard.decided_s, self._until_s))
            elif final.utterance_id in past.voices:
                yield Recalled(heard.samples, final.speaker)

    def _numbered(self, item: Item) -> Item:
        """With its number behind those of the past: it has it already, but where that was heard otherwise."""
        if not self._more:
            return item
        number = int(item.utterance_id.removeprefix("u")) + self._more
        return replace(item, utterance_id=f"u{number}")
