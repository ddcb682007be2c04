"""One line per settled label on stdout; everything else on stderr."""

from __future__ import annotations

import io
import subprocess
import sys

import msgspec

from livemerc.console.plain import PlainPrinter
from livemerc.emotions import LABELS
from livemerc.events import (
    AsrInfo,
    CheckpointInfo,
    EmotionEvent,
    EmotionStatus,
    Event,
    FinalAsr,
    MicState,
    Modality,
    SessionEnd,
    SessionStart,
    Status,
    UtteranceFinal,
    UtterancePartial,
)

START = SessionStart(
    version="0.1.0", labels=list(LABELS), checkpoint=CheckpointInfo(id="compact-1", sha256="0" * 64, licence="none"),
    asr=AsrInfo(engine="pocketsphinx", model="en-us"), device="cpu", source="file:kitchen.flac",
    started_at="2026-01-02T03:04:05Z",
)  # fmt: skip


def final(
    number: int, start_s: float, end_s: float, text: str, speaker: str | None = None, gated: str | None = None
) -> UtteranceFinal:
    return UtteranceFinal(
        utterance_id=f"u{number}", start_s=start_s, end_s=end_s, text=text, speaker=speaker,
        asr=FinalAsr(engine="pocketsphinx", model="en-us", gated=gated),
    )  # fmt: skip


def emotion(
    number: int, label: str, confidence: float, *, status: EmotionStatus = "frozen", abstained: str | None = None
) -> EmotionEvent:
    spread = dict.fromkeys(LABELS, (1 - confidence) / (len(LABELS) - 1)) | {label: confidence}
    return EmotionEvent(
        utterance_id=f"u{number}", revision=0, status=status, label=label, confidence=confidence, abstained=abstained,
        probabilities=spread, modality=Modality(text=spread),
    )  # fmt: skip


def printed(*events: Event) -> tuple[str, str]:
    out, log = io.StringIO(), io.StringIO()
    printer = PlainPrinter(out, log)
    for event in events:
        printer.write(event)
    return out.getvalue(), log.getvalue()


def test_only_settled_labels_are_printed_each_once_with_time_speaker_and_words() -> None:
    out, log = printed(
        START, UtterancePartial(utterance_id="u1", start_s=12.34, text="so"),
        final(1, 12.34, 14.0, "so you came", "Ann"), emotion(1, "joy", 0.6, status="provisional"),
        emotion(1, "joy", 0.82), SessionEnd(duration_s=20.0, utterances=1),
    )  # fmt: skip
    assert out == '00:12.3  Ann  joy .82  "so you came"\n'
    assert "file:kitchen.flac" in log
    assert "pocketsphinx en-us" in log
    assert "compact-1" in log
    assert log.endswith("00:20 of audio, 1 utterance: joy 1\n")


def test_abstention_gated_words_and_absent_words_are_told_apart() -> None:
    out, _ = printed(
        final(1, 1, 2, "thanks for watching", gated="repetition"),
        emotion(1, "joy", 0.4, abstained="words doubtful"),
        final(2, 3, 4, ""), emotion(2, "fear", 1.0),
    )  # fmt: skip
    assert out.splitlines() == [
        '00:01.0  not sure (words doubtful)  "thanks for watching"  (words doubtful: repetition)',
        "00:03.0  fear 1.0",
    ]


def test_words_that_came_late_are_printed_and_missing_ones_are_accounted_for() -> None:
    late = msgspec.structs.replace(emotion(1, "joy", 0.8), late_text="there you are")
    out, _ = printed(
        final(1, 1, 2, "", gated="behind: words later"), late,
        final(2, 3, 4, "", gated="recogniser failed"), emotion(2, "fear", 1.0),
    )  # fmt: skip
    assert out.splitlines() == ['00:01.0  joy .80  "there you are"', "00:03.0  fear 1.0  (no words: recogniser failed)"]


def test_hostile_words_stay_on_their_line_and_steer_nothing() -> None:
    out, _ = printed(final(1, 0, 1, "a\nb\x1b[2J\u202e", "x\r"), emotion(1, "joy", 0.5))
    assert out == '00:00.0  x   joy .50  "a b␛[2J\ufffd"\n'


def test_trouble_is_told_when_it_comes_and_when_it_goes_not_twice_a_second() -> None:
    ill = [Status(t_s=t, lag_s=0, queued={}, mic=MicState(ok=False, why="muted; unmute it")) for t in (1, 2, 3)]
    _, log = printed(*ill, Status(t_s=4, lag_s=0, queued={}, mic=MicState(ok=True)))
    assert log == "00:01  microphone: muted; unmute it\n00:04  well again\n"


def test_a_terminal_without_unicode_ends_no_session() -> None:
    raw = io.BytesIO()
    printer = PlainPrinter(io.TextIOWrapper(raw, encoding="ascii"), io.StringIO())
    printer.write(final(1, 0, 1, "日本"))
    printer.write(emotion(1, "joy", 0.5))
    assert raw.getvalue() == b'00:00.0  joy .50  "\\u65e5\\u672c"\n'


def test_what_is_not_settled_is_not_printed() -> None:
    statuses: tuple[EmotionStatus, ...] = ("partial", "provisional", "revised")
    out, _ = printed(final(1, 0, 1, "well"), *(emotion(1, "joy", 0.5, status=status) for status in statuses))
    assert out == ""


def test_plain_lines_need_neither_textual_nor_numpy_nor_torch() -> None:
    heavy = ("textual", "numpy", "torch", "rich")
    code = f"import sys, livemerc.console.plain; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
