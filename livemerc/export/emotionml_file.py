"""EmotionML 1.0 (W3C Recommendation, 22 May 2014, https://www.w3.org/TR/emotionml/): one <emotion> an utterance.

No vocabulary of the W3C has `neutral` and `joy` beside the Big Six, so the document declares its own. Every label of an
utterance is a <category> with its probability as `confidence`; a person's label stands alone, without one. Times are
absolute (milliseconds since 1970), or relative to the session where its beginning is unknown; with recorded audio there
is a <reference> to it with a media fragment, too. What EmotionML has no place for (words, speaker, seconds of the
session) is in <info>, in a namespace of its own. The Recommendation's text lets the children of an <emotion> stand in
any order, its XML Schema wants <info>, descriptions, <reference>: so they stand here.
"""

from __future__ import annotations

import re
from datetime import datetime
from urllib.parse import quote

from livemerc.errors import InputError
from livemerc.export.spans import Names, Span, ms, seconds, span
from livemerc.sessions.session import RecordedSession, RecordedUtterance

NAMESPACE = "http://www.w3.org/2009/10/emotionml"
OWN_NAMESPACE = "urn:livemerc:export:1"
VOCABULARY = "expressed-emotions"

_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NO_NMTOKEN = re.compile(r"[^\w.-]", re.ASCII)


def emotionml(session: RecordedSession) -> bytes:
    """The document. Utterances without an estimate are left out, with a warning, for an <emotion> needs a category."""
    judged = [utterance for utterance in session.utterances if utterance.label is not None]
    if missing := len(session.utterances) - len(judged):
        session.warnings.append(
            f"{session.name}: {missing} utterance(s) without an estimate are left out: EmotionML cannot hold them."
        )
    names: Names[str] = Names(lambda label: _NO_NMTOKEN.sub("_", label) or "_")
    for label in session.labels:
        names[label]
    clock = _Clock(session)
    emotions = [_emotion(utterance, names, clock) for utterance in judged]  # before the vocabulary: they may add to it
    voice = None if session.start is None else session.start.voice
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<emotionml version="1.0" xmlns="{NAMESPACE}" xmlns:lm="{OWN_NAMESPACE}" category-set="#{VOCABULARY}">',
        "  <info>",
        *_elements(
            {
                "session": session.name,
                "started-at": session.started_at,
                "source": session.source,
                "purpose": None if voice is None else voice.purpose,
                "judged": None if voice is None else voice.told,
            }
        ),
        "  </info>",
        f'  <vocabulary type="category" id="{VOCABULARY}">',
        *(_item(label, name) for label, name in names.items()),
        "  </vocabulary>",
        *emotions,
        "</emotionml>",
    ]
    return ("\n".join(lines) + "\n").encode()


class _Clock:
    """When and where in the audio an utterance was."""

    def __init__(self, session: RecordedSession) -> None:
        self._began_ms = _epoch_ms(session.started_at)
        self._session_uri = quote(_clean(session.name))
        self._media, self._media_begins_ms = "", 0
        try:
            audio = session.audio()
        except InputError as error:  # a session's own file that leads elsewhere: the words are sound all the same
            session.warnings.append(str(error))
            audio = None
        if audio is not None and session.info is not None and session.info.audio is not None:
            self._media, self._media_begins_ms = quote(_clean(audio.name)), ms(session.info.audio.start_s)

    def attributes(self, where: Span) -> str:
        if self._began_ms is not None:
            return f'start="{self._began_ms + where.start_ms}" end="{self._began_ms + where.end_ms}"'
        relative = f'offset-to-start="{where.start_ms}" duration="{where.duration_ms}"'
        return f'time-ref-uri="{self._session_uri}" time-ref-anchor-point="start" {relative}'

    def reference(self, where: Span) -> list[str]:
        start_ms, end_ms = (max(0, t_ms - self._media_begins_ms) for t_ms in where)
        if not self._media or end_ms <= start_ms:
            return []  # a media fragment ends after it begins
        uri = f"{self._media}#t={seconds(start_ms)},{seconds(end_ms)}"
        return [f'    <reference uri="{uri}" role="expressedBy" media-type="audio/flac"/>']


def _epoch_ms(started_at: str) -> int | None:
    """Milliseconds since 1970; None where unknown, without a zone, or earlier, which EmotionML's times cannot say."""
    try:
        began = datetime.fromisoformat(started_at)
    except ValueError:
        return None
    if began.tzinfo is None or began.timestamp() < 0:
        return None
    return round(began.timestamp() * 1000)


def _emotion(utterance: RecordedUtterance, names: Names[str], clock: _Clock) -> str:
    where = span(utterance)
    about = {
        "utterance": utterance.utterance_id,
        "start": seconds(where.start_ms),
        "end": seconds(where.end_ms),
        "speaker": utterance.speaker,
        "words": utterance.text,
        "label": utterance.label,
        "abstained": utterance.abstained,
        "gated": utterance.gated,
        "label-by": "person" if utterance.corrected_emotion is not None else "model",
    }
    lines = [
        f"  <emotion {clock.attributes(where)}{_through(utterance)}>",
        *("    <info>", *_elements(about, "      "), "    </info>"),
        *_categories(utterance, names),
        *clock.reference(where),
        "  </emotion>",
    ]
    return "\n".join(lines)


def _categories(utterance: RecordedUtterance, names: Names[str]) -> list[str]:
    if utterance.corrected_emotion is not None:
        return [f'    <category name="{names[utterance.corrected_emotion]}"/>']
    assert utterance.estimate is not None  # else it has no label
    return [
        f'    <category name="{names[label]}" confidence="{min(1.0, max(0.0, p))}"/>'
        for label, p in utterance.estimate.probabilities.items()
    ]


def _through(utterance: RecordedUtterance) -> str:
    """What the label was judged from; `voice` and `text` are the Recommendation's own words."""
    if utterance.estimate is None or utterance.corrected_emotion is not None:
        return ""
    modality = utterance.estimate.modality
    through = " ".join(name for name, p in (("text", modality.text), ("voice", modality.speech)) if p is not None)
    return f' expressed-through="{through}"' if through else ""


def _item(label: str, name: str) -> str:
    if name == label:
        return f'    <item name="{name}"/>'
    (original,) = _elements({"label": label}, "")
    return f'    <item name="{name}"><info>{original}</info></item>'


def _elements(values: dict[str, str | None], indent: str = "    ") -> list[str]:
    return [f"{indent}<lm:{name}>{_escaped(v)}</lm:{name}>" for name, v in values.items() if v is not None]


def _clean(text: str) -> str:
    """`text` without what XML 1.0 cannot hold, not even escaped: controls become their pictures, the rest U+FFFD."""
    return _NO_XML.sub(lambda m: chr(0x2400 + ord(m[0])) if ord(m[0]) < 0x20 else "\ufffd", text)


def _escaped(text: str) -> str:
    escaped = _clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace("\r", "&#13;")  # a parser reads a bare one as a newline
