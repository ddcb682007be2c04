"""What a stream has said before another process took it over, so that it goes on instead of beginning anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from livemerc.asr.engine import Transcript
from livemerc.events import UtteranceFinal

if TYPE_CHECKING:
    from torch import Tensor

    from livemerc.pipeline.entry import Remembered

Remember = Callable[[str, "Tensor | None", "Tensor | None"], None]
"""Takes the id of an utterance with its T1 (Dt,) and voice (S,), before any estimate of it is sent; from the model's
thread."""


@dataclass(frozen=True, slots=True)
class Past:
    """`judged`: utterances with an estimate, in their order. `worded`: later ones of which only the final was sent, by
    id; they are heard again. `started`: whether `session.start` was sent."""

    started: bool = False
    judged: Sequence[Remembered] = ()
    finals: Sequence[UtteranceFinal] = ()
    """Of `judged`."""
    worded: dict[str, UtteranceFinal] = field(default_factory=dict)


def words_of(final: UtteranceFinal) -> Transcript:
    """What was heard, as the recogniser gave it."""
    return Transcript(final.text, confidence=final.asr.confidence, speaker=final.speaker, gated=final.asr.gated)
