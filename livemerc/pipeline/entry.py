"""One utterance of a dialogue: what is known of it in the window, and what of that outlives a process."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from livemerc.events import EmotionEvent, Probabilities
from livemerc.pipeline.abstention import Cues, Doubt
from livemerc.pipeline.judging import Voice
from livemerc.pipeline.no_answer import ABSTAINED, NoAnswer

_UNJUDGED = {sentence: reason for reason, sentence in ABSTAINED.items()}
_OUTSIDE = (Doubt.NO_SPEECH.value, Doubt.ECHO.value)


@dataclass(slots=True)
class Entry:
    utterance_id: str
    cues: Cues
    t1: Tensor | None = None
    voice: Voice | None = None
    speaker: str | None = None
    speaker_settled: bool = True
    s1: Tensor | None = None
    against: tuple[Voice, ...] = ()  # the earlier voices that S1 was found with
    earlier: tuple[Voice, ...] = ()  # those that count, once it is frozen
    unjudged: NoAnswer | None = None
    late_text: str | None = None
    last: EmotionEvent | None = None
    shown: Probabilities | None = None

    @property
    def frozen(self) -> bool:
        return self.last is not None and self.last.status == "frozen"


@dataclass(frozen=True, slots=True, eq=False)
class Remembered:
    """A judged utterance as somebody else has kept it: its embeddings as `Dialogue.embeddings` gave them, and the
    newest event that was sent about it."""

    utterance_id: str
    cues: Cues
    speaker: str | None
    t1: Tensor | None
    voice: Tensor | None
    last: EmotionEvent

    @property
    def stands_outside(self) -> bool:
        """Whether it is no part of the conversation: nobody spoke, or it was an echo."""
        return self.last.abstained in _OUTSIDE

    def entry(self) -> Entry:
        return Entry(
            self.utterance_id,
            self.cues,
            t1=self.t1,
            voice=None if self.voice is None else Voice(self.voice),
            speaker=self.speaker,
            unjudged=_UNJUDGED.get(self.last.abstained or ""),
            late_text=self.last.late_text,
            last=self.last,
            shown=self.last.probabilities,
        )


def packed(embedding: Tensor | None) -> bytes | None:
    """An embedding (n,) as little-endian float32."""
    return None if embedding is None else embedding.float().contiguous().numpy().astype("<f4").tobytes()


def unpacked(data: bytes | None) -> Tensor | None:
    """What `packed` was given."""
    return None if data is None else torch.from_numpy(np.frombuffer(data, "<f4").astype(np.float32))
