"""The whole page: `page(facts, ...)` puts the parts together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import livemerc
from livemerc.notation import clock
from livemerc.report import figures, parts, sentences
from livemerc.report.card import Card, checkpoint_of
from livemerc.report.facts import Facts, Person
from livemerc.report.floor import floor
from livemerc.report.markup import Child, Html, join, tag
from livemerc.report.style import document
from livemerc.report.transcript import transcript

MOST_PEOPLE = 12
_LEAST_DRAWN_S = 0.5
"""Of voice: a bar of all that somebody said in a moment would be as long as anybody's. The table has them."""
WITHHELD = "withheld"


def page(facts: Facts, card: Card | None, *, now: datetime | None = None) -> str:
    """A complete HTML document: nothing in it is fetched, nothing in it runs."""
    title = "Session report" if facts.anonymiser else f"Session report: {facts.session.name}"
    body = [_summary(facts)]
    names: list[tuple[str, str]] = [("summary", "In short")]
    for name, heading, section in _sections(facts, card):
        names.append((name, heading))
        body.append(tag("section", tag("h2", heading, id=f"{name}-h"), section, id=name, aria_labelledby=f"{name}-h"))
    contents = tag("nav", tag("ul", *(tag("li", _link(name, words)) for name, words in names)), aria_label="Contents")
    made = (now or datetime.now(UTC)).astimezone(UTC)
    footer = tag(
        "footer",
        tag("small", f"Made by livemerc {livemerc.__version__} on {made:%Y-%m-%d %H:%M} UTC. {sentences.EXPRESSED}"),
    )
    skip = tag("a", "To the transcript", class_="skip", href="#transcript") if facts.lines else None
    header = tag("header", tag("h1", title), _head(facts))
    return document(title, skip, header, contents, tag("main", *body), footer)


def _sections(facts: Facts, card: Card | None) -> list[tuple[str, str, Html]]:
    sections: list[tuple[str, str, Html]] = []
    if facts.lines:
        shown = people(facts)
        sections.append(("time", "Over time", figures.course(facts)))
        sections.append(("speakers", "Speakers" if facts.named else "Shares", _speakers(facts, shown)))
        if facts.shifts:
            sections.append(("shifts", "Shifts", parts.shifts(facts)))
        sections.append(("moments", "Moments", parts.moments(facts)))
        sections.append(("certainty", "How sure the monitor was", parts.certainty(facts, card)))
    sections.append(("hearing", "How well it could hear", parts.hearing(facts)))
    if facts.lines:
        sections.append(("transcript", "Transcript", transcript(facts)))
    sections.append(("model", "The model", parts.model(facts, card)))
    sections.append(("use", "Consent and use", parts.use(facts)))
    return sections


def people(facts: Facts) -> list[tuple[str, Person]]:
    """(name, person) of at most `MOST_PEOPLE` rows, by voiced time; the others are one row."""
    rows = [(person.name or ("unknown" if facts.named else "everyone"), person) for person in facts.people]
    if len(rows) <= MOST_PEOPLE:
        return rows
    rest = rows[MOST_PEOPLE - 1 :]
    lines = sorted((line for _, person in rest for line in person.lines), key=lambda line: line.number)
    return [*rows[: MOST_PEOPLE - 1], (f"{len(rest)} others", Person(None, lines))]


def _link(name: str, words: str) -> Html:
    return tag("a", words, href=f"#{name}")


def _head(facts: Facts) -> Html:
    session = facts.session
    rows: list[tuple[str, Child]] = [("When", _when(session.started_at)), ("Length", _length(facts))]
    source = WITHHELD if facts.anonymiser else session.source or "not known"
    rows.append(("Source", source))
    named = [person.name for person in facts.people if person.name is not None]
    if named:
        more = f" and {len(named) - MOST_PEOPLE} more" if len(named) > MOST_PEOPLE else ""
        rows.append(("Speakers", join([join((tag("bdi", name) for name in named[:MOST_PEOPLE]), ", "), more])))
    else:
        rows.append(("Speakers", "not told apart"))
    rows += parts.scope(facts)
    checkpoint = checkpoint_of(session)
    start = session.start
    if start is not None:
        rows.append(("Words from", parts.name_of_recogniser(facts, start.asr)))
    if checkpoint is not None:
        rows.append(("Emotions from", parts.name_of_model(facts, checkpoint.id)))
    return join([tag("dl", *(join([tag("dt", k), tag("dd", v)]) for k, v in rows), class_="head"), *_notes(facts)])


def _length(facts: Facts) -> str:
    session = facts.session
    state = ""
    if session.growing:
        state = " so far: it is still being recorded"
    elif not session.ended:
        state = ", cut short: the recording has no end"
    return f"{clock(session.duration_s)}, {sentences.count(len(facts.lines), 'utterance')}{state}"


def _notes(facts: Facts) -> list[Html]:
    session = facts.session
    notes = []
    if session.growing:
        notes.append(_note("This session is still being recorded. The report shows it as it was when it was made."))
    elif not session.ended and (facts.lines or session.start):
        notes.append(_note("The recording broke off: what came after its last event is not known.", bad=True))
    if facts.anonymiser is not None:
        notes.append(_note(*parts.anonymised(facts)))
    notes.append(_note(sentences.NOTICE))
    return notes


def _note(*paragraphs: Child, bad: bool = False) -> Html:
    return tag("div", *(tag("p", words) for words in paragraphs), class_="note bad" if bad else "note", role="note")


def _when(started_at: str) -> Child:
    """Local time and UTC; as it stands where it is no time."""
    try:
        moment = datetime.fromisoformat(started_at)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        local, utc = moment.astimezone(), moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return "not known"
    shown = f"{local:%Y-%m-%d %H:%M} {local.tzname()}"
    if local.utcoffset() != utc.utcoffset():
        shown += f" ({utc:%Y-%m-%d %H:%M} UTC)"
    return tag("time", shown, datetime=utc.isoformat(timespec="seconds"))


def _summary(facts: Facts) -> Html:
    first, *rest = sentences.summary(facts)
    content = [tag("h2", "In short", id="summary-h"), tag("p", first, class_="lead"), tag("p", " ".join(rest))]
    return tag("section", *content[: 3 if rest else 2], id="summary", aria_labelledby="summary-h")


def _speakers(facts: Facts, shown: Sequence[tuple[str, Person]]) -> Html:
    title = "Shares of each speaker" if facts.named else "Shares"
    drawn = [(name, person) for name, person in shown if person.voiced_s >= _LEAST_DRAWN_S] or shown
    pieces: list[Html] = [figures.bars("shares", title, facts, drawn)]
    if facts.named:
        pieces.append(figures.people(facts, drawn))
    talked = floor(facts)
    if talked is not None:
        pieces.insert(0, talked)
        pieces.insert(1, tag("h3", "How they are expressed"))
    return join([*pieces, parts.share_table(facts, shown)])
