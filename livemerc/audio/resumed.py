"""Ears for a session that broke off and goes on: what was recorded is not heard again, all behind it is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from livemerc.audio.ears import AnyEars
from livemerc.audio.items import EarItem, Onset, Quiet, Utterance
from livemerc.audio.source import Block
from livemerc.config import SAMPLE_RATE_HZ, Config
from livemerc.events import UtteranceFinal


@dataclass(frozen=True, slots=True)
class Past:
    """What of a session was recorded before it broke off."""

    finals: tuple[UtteranceFinal, ...]
    """In the order in which they came."""
    speakers: tuple[str, ...] = ()
    """Of the source's channels."""

    def heard_until_s(self, channel: int) -> float:
        """Where that channel is listened to again: behind its last utterance."""
        return max((final.end_s for final in self.finals if self.channel(final) == channel), default=0.0)

    def channel(self, final: UtteranceFinal) -> int:
        """Whose it was; names that belong to no channel are a transcript's."""
        return self.speakers.index(final.speaker) if final.speaker in self.speakers else 0

    @property
    def until_s(self) -> float:
        """End of the last utterance on any channel."""
        return max((final.end_s for final in self.finals), default=0.0)

    def window(self, context: int) -> tuple[UtteranceFinal, ...]:
        """The utterances that the model still sees."""
        return self.finals[-context:]


class ResumedEars:
    """`ears` from where each channel was heard to; before what they say come the last utterances of the past, with
    their samples, in the order in which they came. Blocks begin at the beginning of the source.

    `ears` count their utterances from behind `past`.
    """

    def __init__(self, ears: AnyEars, past: Past, config: Config, rate_hz: int) -> None:
        self._ears = ears
        self._past = past
        self._rate_hz = rate_hz
        self._hangover_s = config.endpoint.hangover_ms / 1000
        before_s, behind_s = config.endpoint.pre_roll_ms / 1000, config.endpoint.tail_ms / 1000
        self._kept = [
            _Kept(final, past.channel(final), max(0.0, final.start_s - before_s), final.end_s + behind_s)
            for final in past.window(config.dialogue.context)
        ]
        self._kept_from_s = min((kept.begin_s for kept in self._kept), default=0.0)
        self._kept_until_s = max((kept.end_s for kept in self._kept), default=0.0)
        self._until_s = past.until_s
        self._heard_until_s = [past.heard_until_s(channel) for channel in range(max(1, len(past.speakers)))]
        self._pending: list[EarItem] | None = []  # until the past has been given
        self._quiet_due_s: float | None = past.until_s + config.dialogue.freeze_after_s if past.finals else None

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
        begin_s, length_s = block.start_s, len(block.samples) / self._rate_hz
        if self._pending is not None and begin_s + length_s > self._kept_from_s:
            for kept in self._kept:
                kept.take(block, self._rate_hz)
        items: list[EarItem] = []
        until_s = self._heard_until_s[block.channel]
        if begin_s + length_s > until_s:
            known = max(0, round((until_s - begin_s) * self._rate_hz))
            rest = replace(block, samples=block.samples[known:], start_s=begin_s + known / self._rate_hz)
            items = self._ears.feed(rest)
        if self._pending is None:
            return self._with_quiet(items)
        self._pending += items
        return self._given() if begin_s > self._kept_until_s else []

    def flush(self) -> list[EarItem]:
        if self._pending is None:
            return self._ears.flush()
        self._pending += self._ears.flush()
        return self._given()

    def _given(self) -> list[EarItem]:
        pending, self._pending = self._pending or [], None
        past = [kept.utterance(self._rate_hz, self._hangover_s, bool(self._past.speakers)) for kept in self._kept]
        self._kept = []
        return [*past, *self._with_quiet(pending)]

    def _with_quiet(self, items: list[EarItem]) -> list[EarItem]:
        """Nobody has spoken for long enough since the past ended: the ears know nothing of it."""
        if self._quiet_due_s is None:
            return items
        if self._ears.speaking or any(isinstance(item, Onset) for item in items):
            self._quiet_due_s = None
        elif self._ears.t_s >= self._quiet_due_s:
            due_s, self._quiet_due_s = self._quiet_due_s, None
            return [Quiet(due_s), *items]
        return items


class _Kept:
    """The samples of one utterance of the past."""

    def __init__(self, final: UtteranceFinal, channel: int, begin_s: float, end_s: float) -> None:
        self.begin_s = begin_s
        self.end_s = end_s
        self._final = final
        self._channel = channel
        self._pieces: list[np.ndarray] = []

    def take(self, block: Block, rate_hz: int) -> None:
        if block.channel != self._channel or block.start_s >= self.end_s:
            return
        first = max(0, round((self.begin_s - block.start_s) * rate_hz))
        last = round((self.end_s - block.start_s) * rate_hz)
        if first < len(block.samples):
            self._pieces.append(block.samples[first:last])

    def utterance(self, rate_hz: int, hangover_s: float, named: bool) -> Utterance:
        samples = np.concatenate([np.zeros(0, np.float32), *self._pieces])
        if rate_hz != SAMPLE_RATE_HZ and len(samples):
            import soxr

            samples = soxr.resample(samples, rate_hz, SAMPLE_RATE_HZ)
        final = self._final
        return Utterance(
            utterance_id=final.utterance_id,
            samples=np.ascontiguousarray(samples, np.float32),
            samples_start_s=self.begin_s,
            start_s=final.start_s,
            end_s=final.end_s,
            decided_s=final.end_s + hangover_s,
            forced_cut=False,
            speaker=final.speaker if named else None,
        )
