"""The whole transcript as one table: nothing of it is left out, however long; its markup is compact."""

from __future__ import annotations

from livemerc.notation import clock, fraction
from livemerc.report.colours import colour_class, sign, speaker_class
from livemerc.report.facts import Facts, Line
from livemerc.report.markup import Child, Html, join, raw, tag
from livemerc.sessions.talk import length_s

PEN = "✎"
_PART_S = (60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
_PARTS = 24
_WHOLE_UP_TO = 40
"""Up to this many utterances the table needs no parts with times above them."""

LEGEND = (
    ("○ not sure", "no label, and why; the closest one in brackets"),
    ("∅ nothing", "a person found nothing to judge"),
    (".82", "calibrated probability of the label"),
    ("~", "not settled when the recording ended: might still have been revised"),
    ("was", "what it was before the last revision"),
    (PEN, "set or corrected by a person"),
)


def transcript(facts: Facts) -> Html:
    """A table in parts of time."""
    span_s = _part_s(facts)
    bodies: list[Html] = []
    rows: list[Html] = []
    current = -1
    for line in facts.lines:
        part = int(line.start_s / span_s) if span_s else 0
        if part != current:
            if rows:
                bodies.append(tag("tbody", *rows))
            rows, current = [], part
            if span_s:
                until = clock(min((part + 1) * span_s, max(facts.duration_s, line.end_s)))
                heading = f"{clock(part * span_s)} to {until}"
                rows.append(tag("tr", tag("th", heading, colspan=3, scope="rowgroup", id=f"part{part}")))
        rows.append(row(facts, line))
    bodies.append(tag("tbody", *rows))
    legend = join((join([tag("b", what), f" {meaning}"]) for what, meaning in LEGEND if _used(facts, what)), "; ")
    heads = ("When and who" if facts.named else "When", "Expressed", "Said")
    kind = "transcript" if facts.named else "transcript unnamed"
    thead = tag("thead", tag("tr", *(tag("th", head, scope="col") for head in heads)))
    return join([tag("p", tag("small", legend, ".")), tag("table", thead, *bodies, class_=kind)])


def _used(facts: Facts, sign: str) -> bool:
    if sign.startswith("○"):
        return any(line.abstained is not None for line in facts.lines)
    if sign.startswith("∅"):
        return any(line.dismissed for line in facts.lines)
    if sign == "~":
        return any(not line.settled and line.label is not None for line in facts.lines)
    if sign == "was":
        return any(line.was is not None for line in facts.lines)
    if sign == PEN:
        return any(
            line.by_person or line.dismissed or line.speaker_corrected or line.heard is not None for line in facts.lines
        )
    return any(line.confidence is not None for line in facts.lines)


def row(facts: Facts, line: Line) -> Html:
    return tag(
        "tr",
        tag("td", tag("span", clock(line.start_s), class_="t"), " " if line.speaker else None, who(facts, line)),
        tag("td", *verdict(facts, line)),
        tag("td", *said(facts, line)),
        id=f"u{line.number}",
    )


def who(facts: Facts, line: Line) -> Html | None:
    if line.speaker is None:
        return None
    return join(
        [
            tag("b", tag("bdi", line.speaker), class_=f"ink {speaker_class(facts.coloured.get(line.speaker))}"),
            f" {PEN}" if line.speaker_corrected else None,
        ]
    )


def label(shown: str, *, bold: bool = True) -> Html:
    """A label with its sign and its colour; the sign is not read aloud."""
    return tag(
        "b" if bold else "span",
        tag("i", sign(shown), aria_hidden="true"),
        raw("&#160;"),
        shown,
        class_=f"ink {colour_class(shown)}",
    )


def verdict(facts: Facts, line: Line) -> list[Child]:
    """How it was expressed, how sure that is, and who says so."""
    pieces: list[Child] = [] if line.settled or line.label is None else ["~"]
    pieces.append(label(line.shown, bold=line.told))
    if line.by_person:
        model = "" if line.model is None else f" (monitor: {line.model[0]} {fraction(line.model[1])})"
        pieces.append(tag("small", f" {PEN} set by a person{model}"))
    elif line.dismissed:
        model = "" if line.model is None else f" (monitor: {line.model[0]} {fraction(line.model[1])})"
        pieces.append(tag("small", f" {PEN} says a person{model}"))
    elif line.label is None:
        pieces.append(tag("small", " (the recording broke off)"))
    elif line.abstained is not None:
        closest = f"; closest: {line.label} {fraction(line.confidence or 0.0)}" if line.judged else ""
        pieces.append(tag("small", f" ({facts.phrase(line.abstained)}{closest})"))
    else:
        pieces.append(f" {fraction(line.confidence or 0.0)}")
    if line.was is not None:
        pieces.append(tag("small", f" was {sign(line.was)} {line.was}"))
    return pieces


def said(facts: Facts, line: Line, most: int | None = None) -> list[Child]:
    """The words, and what is to be known of them; at most `most` characters."""
    words = line.text.strip()
    if most is not None and len(words) > most:
        words = words[:most].rstrip() + " …"
    pieces: list[Child] = []
    if words:
        pieces.append(tag("bdi", words, class_="doubt" if line.gated else None))
    if line.gated is not None:
        reason = facts.phrase(line.gated)
        pieces.append(tag("small", f" (words doubtful: {reason})" if words else f"(no words: {reason})"))
    elif not words:
        pieces.append(tag("small", f"({PEN} nothing was said)" if line.heard is not None else "(voice only)"))
    if line.overlaps:
        pieces.append(tag("small", f" ({length_s(line.overlaps):.1f} s overlap)"))
    if line.heard is not None and most is None:
        pieces.append(tag("small", f" {PEN} words corrected; heard: ", tag("bdi", line.heard or "nothing")))
    return pieces


def _part_s(facts: Facts) -> float:
    """Seconds of a part; 0 where the table needs none."""
    if len(facts.lines) <= _WHOLE_UP_TO:
        return 0.0
    return next((float(s) for s in _PART_S if facts.duration_s / s <= _PARTS), float(_PART_S[-1]))
