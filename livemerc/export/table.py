"""csv and parquet: one row an utterance, the same columns in both. Documented in docs/formats.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from msgspec import UNSET, structs

from livemerc.events import Timing
from livemerc.sessions.session import RecordedSession, RecordedUtterance
from livemerc.text_safety import encodable

Kind = Literal["string", "float", "integer", "boolean"]
Cell = str | float | int | bool | None


class Column(NamedTuple):
    """`value(utterance)` is the cell; None is null."""

    name: str
    kind: Kind
    value: Callable[[RecordedUtterance], Cell]


def columns(session: RecordedSession) -> list[Column]:
    """The fixed columns, then for each label of the session its probabilities: fused, of the words, of the voice."""
    name = encodable(session.name)
    found = [Column("session", "string", lambda _: name), *_FIXED]
    labels = list(dict.fromkeys(session.labels))
    for prefix, spread in (("p_", _fused), ("text_p_", _text), ("speech_p_", _speech)):
        found += [Column(encodable(prefix + label), "float", _probability(spread, label)) for label in labels]
    return found


def warn_of_unknown_labels(session: RecordedSession) -> None:
    """Warn where estimates hold labels that session.start does not name, which no monitor writes."""
    known = set(session.labels)
    strange = sum(not set(u.estimate.probabilities) <= known for u in session.utterances if u.estimate is not None)
    if strange:
        session.warnings.append(
            f"{session.name}: {strange} estimate(s) hold labels that session.start does not name;"
            " there is no column for these."
        )


Spread = dict[str, float] | None


def _probability(spread: Callable[[RecordedUtterance], Spread], label: str) -> Callable[[RecordedUtterance], Cell]:
    def value(utterance: RecordedUtterance) -> Cell:
        found = spread(utterance)
        return None if found is None else found.get(label)

    return value


def _fused(utterance: RecordedUtterance) -> Spread:
    return None if utterance.estimate is None else utterance.estimate.probabilities


def _text(utterance: RecordedUtterance) -> Spread:
    return None if utterance.estimate is None else utterance.estimate.modality.text


def _speech(utterance: RecordedUtterance) -> Spread:
    return None if utterance.estimate is None else utterance.estimate.modality.speech


def _string(value: Callable[[RecordedUtterance], str | None]) -> Callable[[RecordedUtterance], Cell]:
    """A column of text, without lone surrogates, which have no UTF-8."""

    def safe(utterance: RecordedUtterance) -> Cell:
        found = value(utterance)
        return None if found is None else encodable(found)

    return safe


def _modality(utterance: RecordedUtterance) -> str | None:
    """What the label was judged from."""
    if utterance.estimate is None:
        return None
    present = (("text", utterance.estimate.modality.text), ("speech", utterance.estimate.modality.speech))
    return " ".join(name for name, spread in present if spread is not None) or "none"


def _corrected(utterance: RecordedUtterance) -> str:
    """Which fields a person has set."""
    correction = utterance.correction
    if correction is None:
        return ""
    fields = [field.name for field in structs.fields(correction) if field.name not in ("utterance_id", "at")]
    return " ".join(name for name in fields if getattr(correction, name) not in (None, UNSET, False))


def _corrected_at(utterance: RecordedUtterance) -> str | None:
    return utterance.correction.at or None if utterance.correction and _corrected(utterance) else None


def _timing(field: str) -> Callable[[RecordedUtterance], Cell]:
    """A timing of the first estimate that has one: how long the first label took."""

    def value(utterance: RecordedUtterance) -> Cell:
        timing: Timing | None = next((e.timing for e in utterance.estimates if e.timing is not None), None)
        return None if timing is None else getattr(timing, field)

    return value


_FIXED = [
    Column("utterance_id", "string", _string(lambda u: u.utterance_id)),
    Column("start_s", "float", lambda u: u.start_s),
    Column("end_s", "float", lambda u: u.end_s),
    Column("speaker", "string", _string(lambda u: u.speaker)),
    Column("text", "string", _string(lambda u: u.text)),
    Column("label", "string", _string(lambda u: u.label)),
    Column("confidence", "float", lambda u: u.confidence),
    Column("abstained", "string", _string(lambda u: u.abstained)),
    Column("gated", "string", _string(lambda u: u.gated)),
    Column("corrected", "string", _string(_corrected)),
    Column("corrected_at", "string", _string(_corrected_at)),
    Column("recorded_speaker", "string", _string(lambda u: u.heard_speaker)),
    Column("recorded_text", "string", _string(lambda u: u.heard_text)),
    Column("recorded_label", "string", _string(lambda u: u.estimate.label if u.estimate else None)),
    Column("recorded_confidence", "float", lambda u: u.estimate.confidence if u.estimate else None),
    Column("recorded_abstained", "string", _string(lambda u: u.estimate.abstained if u.estimate else None)),
    Column("recorded_gated", "string", _string(lambda u: u.asr.gated)),
    Column("first_label", "string", _string(lambda u: u.estimates[0].label if u.estimates else None)),
    Column("status", "string", lambda u: u.estimate.status if u.estimate else None),
    Column("revisions", "integer", lambda u: sum(e.status == "revised" for e in u.estimates)),
    Column("late_text", "boolean", lambda u: any(e.late_text is not None for e in u.estimates)),
    Column("modality", "string", _modality),
    Column("asr_engine", "string", _string(lambda u: u.asr.engine)),
    Column("asr_model", "string", _string(lambda u: u.asr.model)),
    Column("asr_confidence", "float", lambda u: u.asr.confidence),
    Column("endpoint_wait_ms", "float", _timing("endpoint_wait_ms")),
    Column("asr_ms", "float", _timing("asr_ms")),
    Column("encode_ms", "float", _timing("encode_ms")),
    Column("fuse_ms", "float", _timing("fuse_ms")),
    Column("total_ms", "float", _timing("total_ms")),
    Column("overlap_s", "float", lambda u: u.overlap_s),
]
