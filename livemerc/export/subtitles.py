"""SubRip and WebVTT (https://www.w3.org/TR/webvtt1/): one cue an utterance, in order of their beginnings.

A cue lasts at least 1 ms: WebVTT wants an end after the begin, and players skip cues without a duration.
"""

from __future__ import annotations

import re

from livemerc.emotions import EMOTIONS
from livemerc.export.spans import caption, clock, shown, shown_speaker, shown_words, span
from livemerc.sessions.session import RecordedSession, RecordedUtterance

_SRT_TAGS = str.maketrans({"<": "‹", ">": "›", "{": "(", "}": ")"})
_CLASS = re.compile(r"[^\w-]+")
_CUE_NAME = re.compile(r"(?!(?:NOTE|STYLE|REGION|WEBVTT)\Z)(?!.*--)[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)


def srt(session: RecordedSession) -> bytes:
    """SubRip cannot escape, so what players take for markup (`<i>`, `{\\an8}`, `-->`) gets other brackets."""
    cues = []
    for number, utterance in enumerate(session.utterances, start=1):
        start_ms, end_ms = span(utterance, shortest_ms=1)
        words = caption(utterance).translate(_SRT_TAGS)
        cues.append(f"{number}\n{clock(start_ms, ',')} --> {clock(end_ms, ',')}\n{words}\n\n")
    return "".join(cues).encode()


def vtt(session: RecordedSession) -> bytes:
    """`<v Ann><c.joy>words</c></v>`; class `abstained` where the model did, `doubtful` for words screened out."""
    blocks = ["WEBVTT\n", _style(session)]
    for utterance in session.utterances:
        start_ms, end_ms = span(utterance, shortest_ms=1)
        name = f"{utterance.utterance_id}\n" if _CUE_NAME.fullmatch(utterance.utterance_id) else ""
        blocks.append(f"{name}{clock(start_ms, '.')} --> {clock(end_ms, '.')}\n{_payload(utterance)}\n")
    return "\n".join(block for block in blocks if block).encode()


def css_class(label: str) -> str:
    """A label as a cue's class: letters, digits, `_` and `-`."""
    return _CLASS.sub("-", shown(label)).strip("-") or "unnamed"


def _payload(utterance: RecordedUtterance) -> str:
    classes = "" if utterance.label is None else "." + css_class(utterance.label)
    classes += ".abstained" if utterance.abstained is not None else ""
    classes += ".doubtful" if utterance.gated is not None else ""
    words = f"<c{classes}>{_escaped(shown_words(utterance))}</c>"
    speaker = shown_speaker(utterance)
    return f"<v {_escaped(speaker)}>{words}</v>" if speaker else words


def _style(session: RecordedSession) -> str:
    used = {utterance.label for utterance in session.utterances}
    rules = [f"::cue(.{name}) {{ color: {emotion.colour} }}\n" for name, emotion in EMOTIONS.items() if name in used]
    return "STYLE\n" + "".join(rules) if rules else ""


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
