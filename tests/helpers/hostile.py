"""Words that try to steer a terminal, and a session full of them."""

from __future__ import annotations

import unicodedata

from livemerc.emotions import LABELS
from livemerc.events import (
    AsrInfo,
    CheckpointInfo,
    EmotionEvent,
    Event,
    FinalAsr,
    MicState,
    Modality,
    SessionStart,
    Status,
    UtteranceFinal,
    UtterancePartial,
)

INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
JOINERS = "\u200c\u200d"


PIECES = (
    "\x1b[31mred", "\x1b[2J", "\x1b]0;a title\x07", "\x1b]8;;http://evil.example\x07click\x1b]8;;\x1b\\",
    "\x1b]52;c;aGFoYQ==\x07", "\x1bP1;1|x\x1b\\", "\x1bc", "\x9b31m", "\x9d0;title\x9c", "\x07", "\x08\x08", "\x00",
    "\r", "\n", "\t", "\x7f", "\u202eright to left", "\u2066", "\u200f", "\ufeff", "\u2028", "\ue000", "\U000e0041",
    "[bold red]", "[link=http://evil.example]", "[@click=app.leave]", "[/]", "[/bold]", "\\[", "[", "]", "$accent",
    "a", "Ann", " ", "漢字かな", "שלום", "مرحبا", "e\u0301\u0323\u0300", "👩\u200d👩\u200d👧", "👍🏽",
    "❤\ufe0f", "1\ufe0f\u20e3", "🇩🇪",
    "ｆｕｌｌ", "ﷺ", "\ud800",
)  # fmt: skip


def invisible(text: str) -> set[str]:
    """What a terminal would interpret, or not draw."""
    return {hex(ord(c)) for c in text if unicodedata.category(c) in INVISIBLE and c not in JOINERS}


def session(words: str) -> list[Event]:
    """`words` wherever an event has room for some."""
    label = words or "joy"
    labels = [label, *LABELS] if label not in LABELS else list(LABELS)
    spread = dict.fromkeys(labels, 0.4 / (len(labels) - 1)) | {label: 0.6}
    sent: list[Event] = [
        SessionStart(
            version=words, labels=labels, checkpoint=CheckpointInfo(id=words, sha256=words, licence=words),
            asr=AsrInfo(engine=words, model=words), device=words, source=words, started_at=words,
        )
    ]  # fmt: skip
    for number, (gated, abstained) in enumerate(((None, None), (words, None), (None, words), (words, words))):
        name, start_s = f"{words}{number}", 3.0 * number
        sent += [
            UtterancePartial(utterance_id=name, start_s=start_s, text=words),
            UtteranceFinal(
                utterance_id=name, start_s=start_s, end_s=start_s + 2, text=words, speaker=words + str(number % 2),
                asr=FinalAsr(engine=words, model=words, confidence=0.5, gated=gated),
            ),
            *(
                EmotionEvent(
                    utterance_id=name, revision=revision, status=status, label=shown, confidence=spread[shown],
                    abstained=abstained if revision else None, probabilities=spread,
                    modality=Modality(text=spread, speech=spread),
                )
                for revision, (status, shown) in enumerate((("provisional", "joy"), ("revised", label)))
            ),
        ]  # fmt: skip
    return [*sent, UtterancePartial(utterance_id="open", start_s=13.0, text=words), status(words)]


def status(words: str) -> Status:
    return Status(t_s=14.0, lag_s=9.0, queued={words: 1}, mic=MicState(ok=False, why=words), degraded=words)
