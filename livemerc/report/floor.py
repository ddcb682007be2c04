"""Who holds the floor, in the report: who speaks when, how much, and who takes over without a gap."""

from __future__ import annotations

from collections.abc import Sequence

from livemerc.notation import clock, fraction
from livemerc.report.colours import speaker_class
from livemerc.report.facts import Facts, Line
from livemerc.report.figures import Frame, axis, figure, fitted, label_of_row, spans
from livemerc.report.markup import Html, join, tag
from livemerc.sessions.talk import Said, Talk, talk

MOST = 12
"""Speakers who have a row; the others are told of in words."""


def talk_of(lines: Sequence[Line]) -> Talk:
    """Of the lines as they are shown."""
    return talk(Said(line.speaker, line.start_s, line.end_s, line.overlaps) for line in lines)


def floor(facts: Facts) -> Html | None:
    """None where fewer than two speakers are known."""
    found = talk_of(facts.lines)
    shares = found.shares()
    if len(shares) < 2:
        return None
    shown = list(shares)[:MOST]
    drawn, table = _figure(facts, found, shown), _table(facts, found, shown)
    return join([tag("h3", "Who speaks when"), drawn, table, _words(found)])


def _figure(facts: Facts, found: Talk, shown: Sequence[str]) -> Html:
    shares = found.shares()
    at_once = [span for line in facts.lines for span in line.overlaps]

    def draw(frame: Frame) -> tuple[list[Html], float]:
        marks: list[Html] = []
        y = 4.0
        for speaker in shown:
            mine = [(line.start_s, line.end_s) for line in facts.lines if line.speaker == speaker]
            colour = speaker_class(facts.coloured.get(speaker))
            marks.append(label_of_row(frame, y + 12, fitted(speaker, 11 if frame.narrow else 14), f"ink {colour}"))
            marks.append(spans(frame, mine, y, 16.0, f"mark {colour}"))
            y += 22
        if at_once:
            marks.append(label_of_row(frame, y + 10, "overlap", ""))
            marks.append(spans(frame, at_once, y + 2, 10.0, "at-once"))
            y += 18
        marks += axis(frame, y)
        return marks, y + 22

    words = "; ".join(f"{speaker} {shares[speaker]:.0%}" for speaker in shown)
    caption = "Each row is a speaker, each mark a stretch of speech."
    if at_once:
        caption += " Overlap: somebody else speaks, too, and it is not told who."
    return figure("floor", "Who speaks when", f"Shares of the talk: {words}.", facts.duration_s, draw, caption)


def _table(facts: Facts, found: Talk, shown: Sequence[str]) -> Html:
    shares = found.shares()
    heads = [tag("th", "Speaker", scope="col")]
    heads += [tag("th", words, scope="col", class_="n") for words in ("talks", "share", "took over", "without a gap")]
    rows = [
        tag(
            "tr",
            tag("th", tag("bdi", speaker, class_=f"ink {speaker_class(facts.coloured.get(speaker))}"), scope="row"),
            *(
                tag("td", words, class_="n")
                for words in (
                    clock(found.talked_s[speaker]), f"{shares[speaker]:.0%}",
                    str(found.taken.get(speaker, 0)), str(found.at_once.get(speaker, 0)),
                )
            ),
        )
        for speaker in shown
    ]  # fmt: skip
    caption = tag("caption", "How the floor is shared and how it changes hands.")
    table = tag("table", caption, tag("thead", tag("tr", *heads)), tag("tbody", *rows))
    return tag("div", table, class_="scroll", tabindex="0", role="region", aria_label="Table of who talks")


def _words(found: Talk) -> Html:
    pieces = []
    if found.balance is not None:
        pieces.append(f"Balance {fraction(found.balance)}: the entropy of the shares, 1 where all talk equally long.")
    if found.overlap_s >= 0.05:
        pieces.append(f"{found.overlap_s:.1f} s in which several speak.")
    pieces.append(
        "Took over: went on after another; without a gap: less than .1 s after the other's end, or before it. That may "
        "be an interruption, and eager agreement looks the same."
    )
    return tag("p", tag("small", " ".join(pieces)))
