"""What people who are listened to are shown: one page, the same on the screen, on paper and as text.

It informs (AI Act, Art. 50(3)); it asks for nobody's consent, and makes nothing lawful that is not.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from livemerc.emotions import LABELS
from livemerc.purpose import WORDS_ALONE, VoiceScope
from livemerc.report.markup import Html, join, tag
from livemerc.report.style import document

TITLE = "This conversation is being listened to by a computer program"
_WIDTH = 78
_BLANK = "_" * 40
_OF_PURPOSE = {
    "personal": "private use",
    "research": "research",
    "care": "care",
    "demo": "a demonstration",
    "work": "work",
    "education": "education",
}


@dataclass(frozen=True, slots=True)
class Section:
    heading: str
    paragraphs: tuple[str, ...]


WHILE_IT_RUNS = "while it runs"
"""What is kept where a server of rooms has journals (`livemerc.server.journals`)."""


def sections(
    scope: VoiceScope, *, recording: str | None = None, known: bool = False, compared: bool = False
) -> list[Section]:
    """The notice for whoever's voice is judged by `scope`. recording: what is kept of this session (`rec`,
    `rec + audio`, `WHILE_IT_RUNS`, None = nothing); known: whether that is known at all; compared: whether voices are
    compared with enrolled ones."""
    return [
        Section("What happens to your voice", (voice(scope), *([_COMPARED] if compared else []), _HERE)),
        Section("What the guess is worth", (_worth(scope),)),
        Section("What is kept", (_kept(recording) if known else _KEPT_UNKNOWN,)),
        Section("What you can do", (_ASK, _consent(scope))),
        Section("Why you are told", (_told(scope),)),
    ]


def voice(scope: VoiceScope) -> str:
    """What happens to a voice, in one sentence."""
    begin = "A program turns what you say into written words and guesses"
    if scope.text_only:
        return f"{begin}, from these words alone, which emotion they express; it infers nothing from how you sound."
    if scope.names is None:
        return f"{begin}, from these words and from how your voice sounds, which emotion they express."
    return (
        f"{begin} from these words which emotion they express; how a voice sounds is judged only on the microphone or "
        f"channel called {_listed(scope.names)}, whoever speaks there."
    )


def as_text(found: list[Section], scope: VoiceScope) -> str:
    """Plain lines, with a place for who is responsible."""
    lines = [TITLE.upper(), "", *_wrapped(_purpose(scope)), ""]
    for section in found:
        lines += [section.heading, "-" * len(section.heading)]
        for paragraph in section.paragraphs:
            lines += [*_wrapped(paragraph), ""]
    return "\n".join([*lines, f"Who runs it, and how to reach them: {_BLANK}", ""])


def as_html(found: list[Section], scope: VoiceScope) -> str:
    """One HTML document to print or to show: nothing in it is fetched, nothing in it runs."""
    body = tag("main", *(_section(section, first=section is found[0]) for section in found))
    footer = tag("footer", tag("p", f"Who runs it, and how to reach them: {_BLANK}"))
    return document(TITLE, tag("header", tag("h1", TITLE), tag("p", _purpose(scope))), body, footer)


def _section(section: Section, *, first: bool) -> Html:
    paragraphs = [tag("p", words, class_="lead" if first else None) for words in section.paragraphs]
    return tag("section", tag("h2", section.heading), join(paragraphs))


def _wrapped(words: str) -> list[str]:
    return textwrap.wrap(words, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _purpose(scope: VoiceScope) -> str:
    return f"The program is livemerc. Whoever runs it says what it is used for: {_OF_PURPOSE[scope.purpose]}."


def _listed(names: tuple[str, ...]) -> str:
    quoted = [f"“{name}”" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


_COMPARED = (
    "It also compares how your voice sounds with the voices of people who have agreed to be known by theirs, to tell "
    "who speaks. Of your voice nothing is kept for that, unless you agree to it."
)
_HERE = "All of it happens on the computer of whoever runs it; the program sends nothing elsewhere."
_KEPT_UNKNOWN = (
    "Nothing, unless whoever runs it records: then the written words and the guesses are kept, and the sound too if "
    "that was switched on. Ask whether it is being recorded, who may see it, and when it is deleted."
)
_ASK = (
    "Ask whoever runs it to switch it off, to show you what was kept of you, or to delete it. You need give no reason."
)
_PROHIBITED = (
    "to infer emotions from how people sound is prohibited in the European Union, whoever agrees to it, except for "
    "medical or safety reasons"
)


def _worth(scope: VoiceScope) -> str:
    what = "words" if scope.text_only else "words or voice"
    return (
        f"The guess is a label such as {', '.join(LABELS[:-1])} or {LABELS[-1]}. It says what somebody's {what} "
        "express, as a listener might put it, and not what you feel. It is often wrong, and more often for accents and "
        "ways of speaking that it has not learnt. It is no diagnosis and no lie detector. Nobody should decide "
        "anything about you because of it."
    )


def _kept(recording: str | None) -> str:
    if recording == WHILE_IT_RUNS:
        return (
            "Nothing for good. As long as the conversation lasts, the written words, the guesses, figures of how you "
            "sound and about the last minute of sound are on a disk, so that another computer can go on; a minute or "
            "two after its end they are deleted."
        )
    if recording is None:
        return "Nothing is being recorded now. If that changes, you should be told before it does."
    sound = "audio" in recording
    what = "the written words, the guesses and the sound" if sound else "the written words and the guesses"
    return f"This is being recorded: {what} are kept. Ask who may see it, and when it is deleted."


def _consent(scope: VoiceScope) -> str:
    if scope.purpose in WORDS_ALONE:
        where = "at work" if scope.purpose == "work" else "in education"
        return f"Nobody may ask you to agree to more: {where}, {_PROHIBITED}."
    return (
        "Your agreement does not make everything lawful. If this is about your work, your school or your studies, say "
        f"so: there, {_PROHIBITED}."
    )


def _told(scope: VoiceScope) -> str:
    contested = (
        "Whether written words still count as coming from your voice, when a program wrote them down from it, is "
        "contested: the European Commission does not count written text as biometric data, and a transcript of a voice "
        "may or may not be written text."
    )
    if scope.text_only:
        return f"{contested} So you are told either way. This is information, and no legal advice."
    return (
        "In the European Union, people whose emotions a system infers from how they sound must be told (AI Act, "
        f"Art. 50(3)). {contested} This is information, and no legal advice."
    )
