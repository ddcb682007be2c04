"""A session in which a model said just this, for tests that compare two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from helpers.sessions import conversation, write_session
from msgspec import UNSET

from livemerc.emotions import LABELS
from livemerc.events import EmotionEvent, Event, FinalAsr, Modality, SessionEnd, SpeakerName, UtteranceFinal

Said = tuple[float, float, str, str, float, str | None]  # start, end, text, label, confidence, abstained


def said_session(
    folder: Path,
    said: Sequence[Said],
    *,
    speakers: Sequence[str | None] = (),
    names: Mapping[str, str] = MappingProxyType({}),
    first: int = 1,
    overlaps: Mapping[int, list[tuple[float, float]]] = MappingProxyType({}),
) -> Path:
    """Write it to `folder`. Ids begin with u`first`; `names`: what speakers are called in the end; `overlaps`: where
    several speak at once, by the place in `said`."""
    events: list[Event] = [conversation(0)[0]]
    for number, (start_s, end_s, text, label, confidence, abstained) in enumerate(said):
        name = f"u{first + number}"
        speaker = speakers[number] if speakers else None
        rest = (1 - confidence) / (len(LABELS) - 1)
        spread = {other: confidence if other == label else rest for other in LABELS}
        events += [
            UtteranceFinal(
                utterance_id=name, start_s=start_s, end_s=end_s, text=text, speaker=speaker, asr=FinalAsr(engine="x"),
                overlaps=overlaps.get(number, UNSET),
            ),
            EmotionEvent(
                utterance_id=name, revision=0, status="frozen", label=label, confidence=confidence,
                abstained=abstained, probabilities=spread, modality=Modality(),
            ),
        ]  # fmt: skip
    events += [SpeakerName(speaker=speaker, name=name) for speaker, name in names.items()]
    end_s = max((s[1] for s in said), default=0.0)
    return write_session(folder, [*events, SessionEnd(duration_s=end_s, utterances=len(said))])
