"""Sessions for the export tests, in memory and on disk."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec
from helpers.sessions import HOSTILE, conversation, emotion, info
from hypothesis import strategies as st

from livemerc.emotions import LABELS
from livemerc.events import EmotionEvent, Event, FinalAsr, SessionStart, Timing, UtteranceFinal
from livemerc.sessions.corrections import Correction
from livemerc.sessions.session import RecordedSession, RecordedUtterance

HOSTILE_TEXTS = [
    HOSTILE,
    "",
    " ",
    "a\n\nb\r\nc\rd\te",
    "1\n00:00:00,000 --> 00:00:09,000\nnot said",
    "WEBVTT\n\nNOTE x\n\n00:00.000 --> 00:09.000\nnot said",
    "</v></c><script>alert(1)</script><v Eve>",
    "{\\an8}<i>{\\b1}",
    "]]>&amp;&lt;&#0;<!-- --><?xml?>",
    '=HYPERLINK("http://x","y")',
    "+1-2",
    "-3",
    "@SUM(A1)",
    "'tis",
    "\t=1",
    "＝1",
    'say ""twice"" "',
    'text = "" \n intervals [1]:\n xmin = 0 item [2]:',
    "\x1b]0;title\x07\x1b[2J\x9b31m",
    "\u202eabc\u2066def",
    "שלום עולם مرحبا",
    "🎭👩‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "NUL \x00 in it",
    "\ufeffBOM \ufffe \uffff",
    "lone \ud800 surrogate \udfff",
    "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg",
    "x" * 5000,
    "NA",
    "null",
]
HOSTILE_SPEAKERS = [
    None,
    "",
    "Ann",
    "Ann B",
    "Ann_B",
    "nan",
    "NA",
    "unknown",
    "<v Eve>",
    "a>b&c",
    'Q"uote',
    "--> x",
    "\n",
    "two\nlines",
    "tab\tbed",
    ";comment",
    "=1",
    "Ωμέγα 🎭",
    "\ud800",
    "\x00",
    "words: Ann",
]

texts = st.sampled_from(HOSTILE_TEXTS) | st.text(st.characters(exclude_categories=()), max_size=30)
speakers = st.sampled_from(HOSTILE_SPEAKERS) | st.none() | st.text(st.characters(exclude_categories=()), max_size=8)


def utterance(
    number: int,
    start_ms: int,
    duration_ms: int,
    text: str = "words",
    speaker: str | None = None,
    *,
    joy: float = 0.6,
    abstained: str | None = None,
    judged: bool = True,
    gated: str | None = None,
    correction: Correction | None = None,
) -> RecordedUtterance:
    final = UtteranceFinal(
        utterance_id=f"u{number}", start_s=start_ms / 1000, end_s=(start_ms + duration_ms) / 1000, text=text,
        speaker=speaker, asr=FinalAsr(engine="none", gated=gated),
    )  # fmt: skip
    last = msgspec.structs.replace(emotion(number, "frozen", 1, joy=joy), abstained=abstained)
    return RecordedUtterance(final, (emotion(number, "provisional"), last) if judged else (), correction)


def session(utterances: Iterable[RecordedUtterance], name: str = "meeting") -> RecordedSession:
    listed = sorted(utterances, key=lambda u: (u.start_s, u.end_s))
    start = conversation(0)[0]
    assert isinstance(start, SessionStart)
    return RecordedSession(
        path=Path(name), info=info(), start=start, labels=LABELS, utterances=listed,
        duration_s=max((u.end_s for u in listed), default=0.0), gaps=[], degraded=[], microphone=[], ended=True,
        growing=False, damaged=0,
    )  # fmt: skip


@st.composite
def hostile_sessions(draw: st.DrawFn) -> RecordedSession:
    """Up to six utterances with any words, speakers and times to the millisecond; they may overlap or last no time."""
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, 400_000_000) | st.integers(0, 3_000),
                st.sampled_from([0, 1, 999]) | st.integers(0, 60_000),
                texts,
                speakers,
                st.booleans(),
            ),
            max_size=6,
        )
    )
    return session(
        utterance(n, start_ms, duration_ms, text, speaker, abstained="unsure" if unsure else None)
        for n, (start_ms, duration_ms, text, speaker, unsure) in enumerate(rows)
    )


def every_hostile_text() -> RecordedSession:
    """Each text once, said by each speaker in turn."""
    return session(
        utterance(n, n * 1000 + 123, 457, text, HOSTILE_SPEAKERS[n % len(HOSTILE_SPEAKERS)])
        for n, text in enumerate(HOSTILE_TEXTS)
    )


def hostile_events() -> list[Event]:
    """As `every_hostile_text`, as far as JSON can hold it: a session on disk has no lone surrogates."""
    events: list[Event] = [conversation(0)[0]]
    for n, text in enumerate(t for t in HOSTILE_TEXTS if not any("\ud800" <= c <= "\udfff" for c in t)):
        spoken = [s for s in HOSTILE_SPEAKERS if s != "\ud800"]
        one = utterance(n, n * 1000 + 123, 457, text, spoken[n % len(spoken)])
        events += [one.final, *map(_timed, one.estimates)]
    return [*events, conversation(0)[-1]]


def _timed(estimate: EmotionEvent) -> EmotionEvent:
    if estimate.status != "provisional":
        return estimate
    return msgspec.structs.replace(estimate, timing=Timing(endpoint_wait_ms=400.0, asr_ms=12.5, total_ms=450.25))
