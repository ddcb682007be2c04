"""The JSON Lines that users build on: their shape, their schema, and the way back."""

from __future__ import annotations

import json

import jsonschema
import msgspec
import pytest
from helpers.paths import PROJECT
from hypothesis import given
from hypothesis import strategies as st

from livemerc.emotions import EMOTIONS, LABELS, emotion
from livemerc.events import (
    AsrInfo,
    CheckpointInfo,
    EmotionEvent,
    Event,
    FinalAsr,
    LabelShift,
    MicState,
    Modality,
    SessionEnd,
    SessionStart,
    Status,
    Timing,
    UtteranceFinal,
    UtterancePartial,
    decode,
    encode,
)

SCHEMA = PROJECT / "livemerc" / "events.schema.json"
UNIFORM = {label: 1 / len(LABELS) for label in LABELS}

SESSION: list[Event] = [
    SessionStart(
        version="0.1.0",
        labels=list(LABELS),
        checkpoint=CheckpointInfo(id="compact", sha256="0" * 64, licence="Apache-2.0"),
        asr=AsrInfo(engine="faster-whisper", model="base"),
        device="cpu",
        source="file:call.wav",
        started_at="2026-01-01T00:00:00+00:00",
    ),
    UtterancePartial(utterance_id="u1", start_s=0.5, text="i can"),
    UtteranceFinal(
        utterance_id="u1", start_s=0.5, end_s=1.75, text="I can't “wait”\n", asr=FinalAsr(engine="faster-whisper")
    ),
    EmotionEvent(
        utterance_id="u1",
        revision=0,
        status="provisional",
        label="neutral",
        confidence=1 / 7,
        abstained="nothing to judge",
        probabilities=UNIFORM,
        modality=Modality(text=UNIFORM),
        timing=Timing(endpoint_wait_ms=450.0),
    ),
    LabelShift(utterance_id="u2", before="u1", because="u1"),
    Status(t_s=2.0, lag_s=0.0, queued={"asr": 0}, level_dbfs=-40.0, mic=MicState(ok=True)),
    SessionEnd(duration_s=2.5, utterances=1),
]


def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))


def test_the_shipped_schema_is_generated_from_the_types() -> None:
    from tools.write_event_schema import schema_text

    assert SCHEMA.read_text("utf-8") == schema_text(), "run `python -m tools.write_event_schema`"


@pytest.mark.parametrize("event", SESSION, ids=lambda event: type(event).__name__)
def test_an_event_is_one_line_with_its_type_first_and_comes_back_the_same(event: Event) -> None:
    line = encode(event)
    assert line.startswith(b'{"type":"')
    assert b"\n" not in line
    assert decode(line) == event


@pytest.mark.parametrize("event", SESSION, ids=lambda event: type(event).__name__)
def test_every_event_fits_the_shipped_schema(event: Event) -> None:
    _validator().validate(json.loads(encode(event)))


@pytest.mark.parametrize(
    "line",
    [
        {"type": "utterance.partial", "utterance_id": 1, "start_s": 0.0, "text": ""},
        {"type": "utterance.partial", "start_s": 0.0, "text": ""},
        {"type": "session.begin"},
        {"type": "emotion", "utterance_id": "u1", "status": "final"},
    ],
)
def test_what_is_no_event_fits_neither_the_schema_nor_the_types(line: dict[str, object]) -> None:
    assert not _validator().is_valid(line)
    with pytest.raises(msgspec.ValidationError):
        decode(json.dumps(line))


def test_unknown_is_null_and_is_written() -> None:
    final = json.loads(encode(SESSION[2]))
    assert final["speaker"] is None
    assert final["asr"]["confidence"] is None
    estimate = json.loads(encode(SESSION[3]))
    assert estimate["modality"]["speech"] is None
    assert estimate["timing"]["total_ms"] is None


def test_the_types_of_the_contract_are_all_there() -> None:
    assert {json.loads(encode(event))["type"] for event in SESSION} == {
        "session.start", "utterance.partial", "utterance.final", "emotion", "shift", "status", "session.end",
    }  # fmt: skip


@given(text=st.text(), start_s=st.floats(0, 1e6))
def test_any_text_comes_back_and_stays_on_one_line(text: str, start_s: float) -> None:
    event = UtterancePartial(utterance_id="u1", start_s=start_s, text=text)
    line = encode(event)
    assert b"\n" not in line
    assert decode(line) == event


def test_the_labels_are_the_seven_of_meld_and_a_foreign_one_is_shown_by_name() -> None:
    assert LABELS == ("neutral", "joy", "sadness", "anger", "surprise", "fear", "disgust")
    assert emotion("boredom").name == "boredom"
    assert len({entry.glyph for entry in EMOTIONS.values()}) == len({entry.colour for entry in EMOTIONS.values()}) == 7
