"""Work that begins before the endpoint is certain (elsewhere called eager or preemptive), and how much was in vain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from livemerc.audio.items import Utterance
    from livemerc.pipeline.recogniser import Heard

Rows = tuple["Tensor | None", "Tensor | None"]
"""T1 and the voice of an utterance; None where the branch is masked."""


@dataclass(frozen=True, slots=True)
class Speculated:
    """Words and encodings of an utterance that had perhaps ended, and what they cost; `rows` None = not encoded."""

    utterance: Utterance
    heard: Heard
    rows: Rows | None
    asr_ms: float
    encode_ms: float


class Speculation:
    """The newest `Speculated`, until the utterance is final. `used` and `wasted` count them, `wasted_s` is their time.

    The processor's thread writes; anybody may read the counts.
    """

    def __init__(self) -> None:
        self.used = 0
        self.wasted = 0
        self.wasted_s = 0.0
        self._newest: Speculated | None = None

    def keep(self, speculated: Speculated) -> None:
        """For the final; what was kept before was in vain."""
        self.discard()
        self._newest = speculated

    def take(self, utterance: Utterance) -> Speculated | None:
        """What was found out about exactly these samples, or None."""
        newest = self._newest
        # the endpointer hands over the same object only where nothing was said since
        if newest is None or newest.utterance.samples is not utterance.samples:
            self.discard()
            return None
        self._newest = None
        self.used += 1
        return newest

    def discard(self) -> None:
        """Speech went on."""
        if self._newest is not None:
            self.wasted += 1
            self.wasted_s += (self._newest.asr_ms + self._newest.encode_ms) / 1000
            self._newest = None
