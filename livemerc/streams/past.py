"""What a stream has said before another process took it over, so that it goes on instead of beginning anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from livemerc.asr.engine import Transcript
from livemerc.events import EmotionEvent, Event, SessionStart, UtteranceFinal

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


def past_of(events: Iterable[Event], embeddings: Mapping[str, tuple[bytes | None, bytes | None]]) -> Past:
    """The past of a stream that has sent `events`. embeddings: T1 and voice of its utterances by id, as
    `livemerc.pipeline.entry.packed` has them. An utterance counts as judged if an estimate of it was sent."""
    from livemerc.pipeline.abstention import Cues
    from livemerc.pipeline.entry import Remembered, unpacked

    started = False
    finals: dict[str, UtteranceFinal] = {}
    last: dict[str, EmotionEvent] = {}
    for event in events:
        if isinstance(event, SessionStart):
            started = True
        elif isinstance(event, UtteranceFinal):
            finals[event.utterance_id] = event
        elif isinstance(event, EmotionEvent) and event.status != "partial":
            last[event.utterance_id] = msgspec.structs.replace(event, timing=None)
    judged = [final for name, final in finals.items() if name in last]
    remembered = []
    for final in judged:
        t1, voice = embeddings.get(final.utterance_id, (None, None))
        cues = Cues(duration_s=final.end_s - final.start_s, asr_confidence=final.asr.confidence)
        remembered.append(
            Remembered(final.utterance_id, cues, final.speaker, unpacked(t1), unpacked(voice), last[final.utterance_id])
        )
    worded = {name: final for name, final in finals.items() if name not in last}
    return Past(started, remembered, judged, worded)


def words_of(final: UtteranceFinal) -> Transcript:
    """What was heard, as the recogniser gave it."""
    return Transcript(final.text, confidence=final.asr.confidence, speaker=final.speaker, gated=final.asr.gated)
