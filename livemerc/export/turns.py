"""RTTM, NIST's Rich Transcription Time Marked format (RT-09 evaluation plan): one SPEAKER line an utterance.

Fields are separated by white space and cannot be quoted, so names are made of letters, digits, `_`, `.` and `-`.
"""

from __future__ import annotations

import re

from livemerc.export.spans import UNKNOWN_SPEAKER, Names, seconds, span
from livemerc.sessions.session import RecordedSession

_ILLEGAL = re.compile(r"[^\w.-]")
_READ_AS_MISSING = {"NA", "NaN", "nan", "NULL", "null", "None", "-NaN", "-nan"}
"""Readers built on pandas take these for no name at all."""


def rttm(session: RecordedSession) -> bytes:
    """The file. A turn lasts at least 1 ms, because a duration of 0 is an error to scoring tools."""
    names: Names[str | None] = Names(_token)
    file = _token(session.name)
    lines = []
    for utterance in session.utterances:
        where = span(utterance, shortest_ms=1)
        speaker = names[utterance.speaker or None]
        begin, duration = seconds(where.start_ms), seconds(where.duration_ms)
        lines.append(f"SPEAKER {file} 1 {begin} {duration} <NA> <NA> {speaker} <NA> <NA>\n")
    return "".join(lines).encode()


def _token(name: str | None) -> str:
    token = UNKNOWN_SPEAKER if name is None else _ILLEGAL.sub("_", name) or "_"
    return token + "_" if token in _READ_AS_MISSING else token
