"""The public event types: the JSON Lines schema. `events.schema.json` is generated from these types.

Times (`*_s`) are seconds of source audio since the session began. Unknown is null. Ids are strings.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from livemerc.purpose import Purpose, VoiceScope

SCHEMA_VERSION = 6

Probabilities = dict[str, float]

NOTHING_TO_JUDGE = "nothing to judge"
"""`EmotionEvent.abstained` where there is neither text nor speech; also what a person may find in a recorded one."""
NO_SPEECH = "no speech"
"""`FinalAsr.gated` and `EmotionEvent.abstained` where nobody speaks: a sound that is no speech has no emotion."""

ECHO = "echo"
"""The same where it is what another channel said, heard again by this one's microphone."""


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    pass


class CheckpointInfo(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    sha256: str
    licence: str


class AsrInfo(msgspec.Struct, frozen=True, kw_only=True):
    engine: str
    model: str | None = None


class SessionStart(_Event, tag="session.start", frozen=True, kw_only=True):
    """First event of a session."""

    schema: int = SCHEMA_VERSION
    version: str
    labels: list[str]
    checkpoint: CheckpointInfo
    asr: AsrInfo
    device: str
    source: str
    started_at: str  # ISO 8601, UTC
    purpose: Purpose | None = None  # what the session is for; None = before schema 2
    text_only: bool | None = None  # whether words alone are judged, as asked or by the purpose; None = unknown
    judge_voice_of: list[str] | None = None  # whose voices alone are judged; None = no such limit, or unknown
    voiceprints: int | None = None  # enrolled voices that speakers are compared with; None = none are, or unknown

    @property
    def voice(self) -> VoiceScope | None:
        """Whose voice is judged; None where an older livemerc did not say."""
        if self.purpose is None or self.text_only is None:
            return None
        names = None if self.judge_voice_of is None else tuple(self.judge_voice_of)
        return VoiceScope(self.purpose, self.text_only, names)


class UtterancePartial(_Event, tag="utterance.partial", frozen=True, kw_only=True):
    """A hypothesis while the person still speaks; superseded by later partials and by the final."""

    utterance_id: str
    start_s: float
    text: str


class FinalAsr(msgspec.Struct, frozen=True, kw_only=True):
    engine: str
    model: str | None = None
    confidence: float | None = None
    # Why no words reached the model: the text was screened out (`asr.screening`); or there is none, since the
    # recogniser gave no answer (`pipeline.no_answer.GATED`) or there is no recogniser. None = they count.
    gated: str | None = None


class UtteranceFinal(_Event, tag="utterance.final", frozen=True, kw_only=True):
    """One endpointed utterance. `start_s` and `end_s` are its first and last voiced frame, with the sound that leads to
    the one and dies away behind the other; pre-roll and hangover are not in them. `overlaps`: from when to when several
    speak at once, in order; absent = nobody listened for that, as before schema 6."""

    utterance_id: str
    start_s: float
    end_s: float
    text: str
    speaker: str | None = None
    asr: FinalAsr
    overlaps: list[tuple[float, float]] | UnsetType = UNSET


class Modality(msgspec.Struct, frozen=True, kw_only=True):
    """What each branch alone would say; null where the modality is absent or gated."""

    text: Probabilities | None = None
    speech: Probabilities | None = None


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds. `total_ms` runs from the last voiced sample to the event, the endpoint wait included."""

    endpoint_wait_ms: float | None = None
    asr_ms: float | None = None
    encode_ms: float | None = None
    fuse_ms: float | None = None
    total_ms: float | None = None


EmotionStatus = Literal["partial", "provisional", "revised", "frozen"]


class EmotionEvent(_Event, tag="emotion", frozen=True, kw_only=True):
    """The estimate of one utterance. `label` is always the arg max, `confidence` its calibrated probability."""

    utterance_id: str
    revision: int
    status: EmotionStatus
    label: str
    confidence: float
    abstained: str | None = None
    probabilities: Probabilities
    modality: Modality
    timing: Timing | None = None
    late_text: str | None = None  # words that came after a final without any (the recogniser was behind)


SpeakerStatus = Literal["provisional", "revised", "frozen"]


class UtteranceSpeaker(_Event, tag="utterance.speaker", frozen=True, kw_only=True):
    """Who said an utterance, by the voice; it follows the final, whose `speaker` is what was known then. The last one
    counts. `speaker` null = unknown. `confidence`: the probability of the most probable speaker, also where it is not
    enough to name one."""

    utterance_id: str
    speaker: str | None
    confidence: float
    revision: int
    status: SpeakerStatus


class SpeakerName(_Event, tag="speaker.name", frozen=True, kw_only=True):
    """What to call a speaker, in this session's earlier and later utterances: an enrolled voice was recognised, or a
    person has said so. The last one counts; `name` null = the speaker goes by `speaker` again. Everything else keeps
    `speaker`, the id."""

    speaker: str
    name: str | None


class LabelShift(_Event, tag="shift", frozen=True, kw_only=True):
    """Why a settled label is another than that of the same speaker's utterance `before`: `because` is the one utterance
    of the window without which the model would have said another label (null = no single one decides it). It follows
    the frozen emotion when the monitor has time for it; abstained utterances do not shift."""

    utterance_id: str
    before: str
    because: str | None = None


class MicState(msgspec.Struct, frozen=True, kw_only=True):
    ok: bool
    why: str | None = None


class Status(_Event, tag="status", frozen=True, kw_only=True):
    """The monitor's own health, at most two a second."""

    t_s: float
    lag_s: float
    queued: dict[str, int]
    dropped_s: float = 0.0
    overruns: int = 0
    level_dbfs: float | None = None
    mic: MicState | None = None
    degraded: str | None = None
    cues_unheard: int | None = None  # of a transcript beside the audio: cues so far that met no speech


class SessionEnd(_Event, tag="session.end", frozen=True, kw_only=True):
    """Last event of a session."""

    duration_s: float
    utterances: int
    dropped_s: float = 0.0
    overruns: int = 0


Event = (
    SessionStart
    | UtterancePartial
    | UtteranceFinal
    | UtteranceSpeaker
    | SpeakerName
    | EmotionEvent
    | LabelShift
    | Status
    | SessionEnd
)

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def encode(event: Event) -> bytes:
    """One JSON object, `type` first, without a newline."""
    return _encoder.encode(event)


def decode(line: bytes | str) -> Event:
    """The event of one JSON line. Raises `msgspec.ValidationError` or `msgspec.DecodeError`."""
    return _decoder.decode(line)


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of one event."""
    return msgspec.json.schema(Event)
