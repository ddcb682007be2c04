"""A small recorded session, written by hand, byte by byte what a recorder would write; whole, or still going on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from livemerc.config import Config
from livemerc.emotions import LABELS
from livemerc.events import (
    SCHEMA_VERSION,
    AsrInfo,
    CheckpointInfo,
    EmotionEvent,
    EmotionStatus,
    Event,
    FinalAsr,
    Modality,
    SessionEnd,
    SessionStart,
    Status,
    UtteranceFinal,
    UtterancePartial,
    encode,
)
from livemerc.sessions.folder import AUDIO_FILE, EVENTS_FILE, SESSION_FILE, AudioTrack, SessionInfo

CHECKPOINT = CheckpointInfo(id="test-1", sha256="0" * 64, licence="none")
HOSTILE = 'quote " newline \n --> <b>&amp; \x1b[31mred\x1b[0m \u202eright to left\u202c 🎭 \u0000 \\ \u2028'


def emotion(number: int, status: EmotionStatus, revision: int = 0, joy: float = 0.6) -> EmotionEvent:
    spread = {label: (1 - joy) / (len(LABELS) - 1) for label in LABELS} | {"joy": joy}
    label = max(spread, key=spread.__getitem__)
    return EmotionEvent(
        utterance_id=f"u{number}", revision=revision, status=status, label=label, confidence=spread[label],
        probabilities=spread, modality=Modality(text=spread, speech=None),
    )  # fmt: skip


def conversation(utterances: int = 5, every_s: float = 10.0, text: str = "words", ends: bool = True) -> list[Event]:
    """An utterance of 2 s every `every_s`, each frozen by its successor, a status every half second."""
    events: list[Event] = [
        SessionStart(
            version="0.1.0", labels=list(LABELS), checkpoint=CHECKPOINT, asr=AsrInfo(engine="none"), device="cpu",
            source="test", started_at="2026-01-02T03:04:05+00:00",
        )
    ]  # fmt: skip
    for n in range(1, utterances + 1):
        begin_s = (n - 1) * every_s + 1.0
        events.append(UtterancePartial(utterance_id=f"u{n}", start_s=begin_s, text=text[:2]))
        events.append(
            UtteranceFinal(
                utterance_id=f"u{n}",
                start_s=begin_s,
                end_s=begin_s + 2.0,
                text=f"{text} {n}",
                asr=FinalAsr(engine="none"),
            )
        )
        events.append(emotion(n, "provisional"))
        if n > 1:
            events.append(emotion(n - 1, "revised", 1, joy=0.1))
            events.append(emotion(n - 1, "frozen", 2, joy=0.1))
        half_s = begin_s + 2.5
        while half_s < n * every_s:
            events.append(Status(t_s=half_s, lag_s=0.1, queued={"asr": 0}, level_dbfs=-40.0 - n))
            half_s += 0.5
    if ends:
        if utterances:
            events.append(emotion(utterances, "frozen", 1))
        events.append(SessionEnd(duration_s=utterances * every_s, utterances=utterances))
    return events


def info(audio: str | None = None, schema: int = 1) -> SessionInfo:
    track = None
    if audio is not None:
        track = AudioTrack(file=audio, rate_hz=16_000, channels=1, speakers=[], start_s=0.0)
    return SessionInfo(
        schema=schema, version="0.1.0", started_at="2026-01-02T03:04:05.000+00:00", source="test",
        checkpoint=CHECKPOINT, consent="all agreed", audio=track, config=msgspec.to_builtins(Config()),
    )  # fmt: skip


def write_session(folder: Path, events: Sequence[Event], *, audio: str | None = None, tail: bytes = b"") -> Path:
    """A session's folder; `tail` is appended to its events."""
    folder.mkdir(parents=True)
    (folder / SESSION_FILE).write_bytes(msgspec.json.encode(info(audio)))
    (folder / EVENTS_FILE).write_bytes(b"".join(encode(event) + b"\n" for event in events) + tail)
    if audio == AUDIO_FILE:
        (folder / AUDIO_FILE).write_bytes(b"fLaC")
    return folder


def write_some_sessions(folder: Path) -> None:
    """Sessions as they may be found: whole, cut short, empty, one whose audio climbs out, broken, from the future."""
    write_session(folder / "a-whole", conversation(3), audio=AUDIO_FILE)
    write_session(folder / "b-cut", conversation(2, ends=False), tail=b'{"type":"sta')
    write_session(folder / "c-empty", [])
    write_session(folder / "d-climbs", conversation(1), audio="../../secret.flac")
    (folder / "e-broken").mkdir()
    (folder / "e-broken" / SESSION_FILE).write_text("{}")
    newer = encode(conversation(0)[0]).replace(b'"schema":%d' % SCHEMA_VERSION, b'"schema":%d' % (SCHEMA_VERSION + 1))
    write_session(folder / "f-newer", [], tail=newer + b"\n")
    (folder / "no session").mkdir()
