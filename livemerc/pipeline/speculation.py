"""What was found out about an utterance while its hangover still ran, and what of such work was in vain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from livemerc.audio.items import Utterance
    from livemerc.pipeline.recogniser import Heard

Rows = tuple["Tensor | None", "Tensor | None"]
"""T1 and S1 of an utterance; None where the branch is masked."""


@dataclass(frozen=True, slots=True)
class Found:
    """Words and encodings of an utterance that had perhaps ended, and what they cost; `rows` None = not encoded.

    `heard` None: a recogniser that decodes along has its words when it ends, and only the voice is encoded."""

    utterance: Utterance
    heard: Heard | None
    rows: Rows | None
    asr_ms: float
    encode_ms: float


class Ahead:
    """The newest `Found`, until the utterance is final. `used` and `wasted` count them, `wasted_s` is their time."""

    def __init__(self) -> None:
        self.used = 0
        self.wasted = 0
        self.wasted_s = 0.0
        self._found: Found | None = None

    def keep(self, found: Found) -> None:
        """For the final; what was kept before was in vain."""
        self.discard()
        self._found = found

    def take(self, utterance: Utterance) -> Found | None:
        """What was found out about exactly these samples, or None."""
        found = self._found
        # the endpointer hands over the same object only where nothing was said since
        if found is None or found.utterance.samples is not utterance.samples:
            self.discard()
            return None
        self._found = None
        self.used += 1
        return found

    def discard(self) -> None:
        """Speech went on."""
        if self._found is not None:
            self.wasted += 1
            self.wasted_s += (self._found.asr_ms + self._found.encode_ms) / 1000
            self._found = None
