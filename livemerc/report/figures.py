"""Figures as inline SVG, each with a title and a description: a wide one for screen and paper, a narrow one for phones.

What a mark means is told by the row it stands in, by its sign or by words; the colour only helps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from unicodedata import east_asian_width

from livemerc.emotions import EMOTIONS
from livemerc.notation import clock
from livemerc.report.colours import colour_class, sign, speaker_class
from livemerc.report.columns import Column, columns, runs
from livemerc.report.facts import NOT_JUDGED, NOT_SURE, NOTHING, Facts, Person
from livemerc.report.markup import Html, join, tag
from livemerc.sessions.session import Gap

Span = tuple[float, float]
Draw = Callable[["Frame"], tuple[list[Html], float]]
MOST_LANES = 12
OTHER = "other labels"
_LEAST_SHARE = 0.2
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)


@dataclass(frozen=True, slots=True)
class Frame:
    """Width of a drawing and the part of it that is time."""

    width: float
    left: float
    duration_s: float
    narrow: bool

    @property
    def plot(self) -> float:
        return self.width - self.left - 10

    def x(self, t_s: float) -> float:
        return self.left + self.plot * min(1.0, max(0.0, t_s / max(self.duration_s, 1e-3)))

    @property
    def count(self) -> int:
        """How many columns it has; each is two units wide."""
        return int(self.plot / 2)


WIDE, NARROW = 720.0, 350.0


def figure(name: str, title: str, description: str, duration_s: float, draw: Draw, caption: Html | str) -> Html:
    """A figure that is drawn twice, wide and narrow; the style sheet shows the one that fits."""
    drawings = []
    for kind, width, left in (("wide", WIDE, 112.0), ("slim", NARROW, 92.0)):
        marks, height = draw(Frame(width, left, duration_s, kind == "slim"))
        ids = f"{name}-{kind}"
        drawings.append(
            tag(
                "svg",
                tag("title", title, id=f"{ids}-t"),
                tag("desc", description, id=f"{ids}-d"),
                *marks,
                class_=kind,
                role="img",
                aria_labelledby=f"{ids}-t {ids}-d",
                viewBox=f"0 0 {width:g} {height:g}",
                width=width,
                height=height,
            )
        )
    return tag("figure", *drawings, tag("figcaption", caption), id=name)


# -- the course of the session -----------------------------------------------------------------------------------------


def course(facts: Facts) -> Html:
    """Valence, emotions in a row each, and what was wrong, over one axis of time."""
    lanes = lanes_of(facts)
    curve = any(line.valence is not None for line in facts.lines)

    def draw(frame: Frame) -> tuple[list[Html], float]:
        found = columns(facts.lines, facts.duration_s, frame.count)
        marks: list[Html] = []
        y = 8.0
        if curve:
            marks += _shift_marks(facts, frame, y)
            marks += _valence(found, frame, y + 14, 96.0)
            y += 14 + 96 + 14
        top = y
        for lane in lanes:
            marks += _lane(found, frame, lane, y, 17.0, lanes)
            y += 17
        marks += _troubles(facts, frame, top if not curve else 22, y)
        y += 6
        for label, style, when in _health_rows(facts):
            marks.append(_text(frame.left - 8, y + 10, label, "end small"))
            marks.append(spans(frame, when, y + 1, 11, style))
            y += 15
        marks += axis(frame, y + 2)
        return marks, y + 24

    return figure(
        "course", "The course of the session", _course_in_words(facts), facts.duration_s, draw, _caption(facts)
    )


def lanes_of(facts: Facts) -> list[str]:
    """The rows: the session's labels (of many, those that were shown most), then what is no label."""
    shown = facts.shares()
    labels = list(facts.labels)
    if len(labels) > MOST_LANES:
        ranked = [label for label in shown if label in labels]
        kept = set(ranked[: MOST_LANES - 1])
        labels = [label for label in labels if label in kept] + ([OTHER] if len(ranked) > len(kept) else [])
    return [*labels, *(extra for extra in (NOT_SURE, NOTHING, NOT_JUDGED) if extra in shown)]


def _valence(found: Sequence[Column], frame: Frame, top: float, height: float) -> list[Html]:
    def y(valence: float) -> float:
        return top + height * (1 - valence) / 2

    marks = [
        tag("rect", x=frame.left, y=top, width=frame.plot, height=height, class_="ground"),
        tag("line", x1=frame.left, x2=frame.left + frame.plot, y1=y(0), y2=y(0), class_="rule"),
    ]
    names = ((1.0, "pleasant", 10.0), (0.0, "neutral" if not frame.narrow else "0", 4.0), (-1.0, "unpleasant", 0.0))
    marks += [_text(frame.left - 8, y(at) + shift, name, "end small") for at, name, shift in names]
    step = frame.plot / len(found)
    bars = []
    for index, column in enumerate(found):
        if column.low is not None and column.high is not None:
            high, low = y(column.high), y(column.low)
            bars.append(_box(frame.left + step * index, high - 1, step, low - high + 2))
    marks.append(tag("path", d="".join(bars), class_="band"))
    points = [(frame.left + step * (i + 0.5), y(c.trend)) for i, c in enumerate(found) if c.trend is not None]
    line = "".join(f"{'L' if at else 'M'}{x:.1f} {v:.1f}" for at, (x, v) in enumerate(points))
    marks.append(tag("path", d=line, class_="trend"))
    return marks


def _lane(
    found: Sequence[Column], frame: Frame, lane: str, y: float, height: float, lanes: Sequence[str]
) -> list[Html]:
    label = fitted(lane, 10 if frame.narrow else 13)
    marks = [
        _text(frame.left - 8, y + height - 5, f"{sign(lane)} {label}", f"end small ink {colour_class(lane)}"),
        tag("line", x1=frame.left, x2=frame.left + frame.plot, y1=y + height - 3, y2=y + height - 3, class_="faint"),
    ]

    def share(column: Column) -> float:
        """Share of the column's voiced time, enlarged so that whatever is there can be seen, however short."""
        voiced_s = sum(column.voiced_s.values())
        seconds = (
            sum(s for shown, s in column.voiced_s.items() if shown not in lanes)
            if lane == OTHER
            else column.voiced_s.get(lane, 0.0)
        )
        return max(_LEAST_SHARE, seconds / voiced_s) if seconds else 0.0

    path = _skyline([share(column) for column in found], frame, y + height - 3, height - 6)
    if path:
        marks.append(tag("path", d=path, class_=f"mark {colour_class(lane)}"))
    return marks


def _skyline(shares: Sequence[float], frame: Frame, base: float, height: float) -> str:
    """One closed outline for each stretch without a gap, as high as each column's share."""
    step = frame.plot / len(shares)
    pieces = []
    for first, after in runs([share > 0 for share in shares]):
        pieces.append(f"M{frame.left + step * first:.1f} {base:.1f}")
        at = first
        while at < after:
            end = next((n for n in range(at, after) if round(shares[n], 1) != round(shares[at], 1)), after)
            pieces.append(f"V{base - height * shares[at]:.1f}h{step * (end - at):.1f}")
            at = end
        pieces.append(f"V{base:.1f}z")
    return "".join(pieces)


def _health_rows(facts: Facts) -> list[tuple[str, str, list[Span]]]:
    """(what was wrong, its style, when)."""
    session = facts.session
    rows: list[tuple[str, str, list[Span]]] = [
        ("lost audio", "lost", [(max(0.0, gap.t_s - gap.lost_s), gap.t_s) for gap in session.gaps]),
        ("paused", "paused", [(stretch.start_s, stretch.end_s) for stretch in facts.paused]),
        ("degraded", "degraded", [(stretch.start_s, stretch.end_s) for stretch in facts.degraded]),
        ("microphone", "trouble", [(stretch.start_s, stretch.end_s) for stretch in facts.microphone]),
        (
            "by a person",
            "person",
            [(line.start_s, line.end_s) for line in facts.lines if line.by_person or line.dismissed],
        ),
    ]
    rows.append(("bookmarks", "person", [(mark.t_s, mark.t_s) for mark in facts.bookmarks]))
    return [row for row in rows if row[2]]


def _troubles(facts: Facts, frame: Frame, top: float, bottom: float) -> list[Html]:
    """Lines through the whole figure where audio was lost, for no curve is to be read across it."""
    return [
        tag("line", x1=frame.x(gap.t_s), x2=frame.x(gap.t_s), y1=top, y2=bottom, class_="gap")
        for gap in widest(facts.session.gaps)
    ]


def widest(gaps: Sequence[Gap]) -> list[Gap]:
    """The forty longest at most, because more lines would be a wall."""
    return sorted(sorted(gaps, key=lambda gap: -gap.lost_s)[:40], key=lambda gap: gap.t_s)


def _shift_marks(facts: Facts, frame: Frame, y: float) -> list[Html]:
    marks = []
    last = -100.0
    for number, shift in enumerate(facts.strongest_shifts(), start=1):
        x = frame.x(shift.after.start_s)
        marks.append(tag("line", x1=x, x2=x, y1=y + 6, y2=y + 110, class_="shift"))
        if x - last > 13:  # numbers that would stand on each other are left to the table
            marks.append(_text(x, y + 4, str(number), "mid tiny"))
            last = x
    return marks


def spans(frame: Frame, shown: Sequence[Span], y: float, height: float, style: str) -> Html:
    """Spans in steps of a column, so that thousands of them are not thousands of marks; the shortest is one step."""
    flags = [False] * frame.count
    step = frame.plot / frame.count
    for start_s, end_s in shown:
        first = min(frame.count - 1, int((frame.x(start_s) - frame.left) / step))
        last = min(frame.count - 1, max(first, int((frame.x(end_s) - frame.left) / step - 1e-9)))
        flags[first : last + 1] = [True] * (last + 1 - first)
    boxes = (_box(frame.left + step * first, y, step * (after - first), height) for first, after in runs(flags))
    return tag("path", d="".join(boxes), class_=style)


def _box(x: float, y: float, width: float, height: float) -> str:
    """A rectangle, as a part of a path."""
    return f"M{x:.1f} {y:.1f}h{width:.1f}v{height:.1f}h{-width:.1f}z"


def axis(frame: Frame, y: float) -> list[Html]:
    wanted = frame.duration_s / (4 if frame.narrow else 8)
    step_s = next((step for step in _STEPS_S if step >= wanted), _STEPS_S[-1])
    while frame.duration_s / step_s > 12:
        step_s *= 2
    marks = [tag("line", x1=frame.left, x2=frame.left + frame.plot, y1=y, y2=y, class_="rule")]
    t_s = 0.0
    while t_s <= frame.duration_s:
        x = frame.x(t_s)
        marks.append(tag("line", x1=x, x2=x, y1=y, y2=y + 4, class_="rule"))
        marks.append(_text(x, y + 15, clock(t_s), "mid tiny" if t_s < frame.duration_s * 0.96 else "end tiny"))
        t_s += step_s
    return marks


def _course_in_words(facts: Facts) -> str:
    valued = [(line.valence, line) for line in facts.lines if line.valence is not None]
    shares = ", ".join(f"{shown} {share:.0%}" for shown, share in facts.shares().items())
    words = f"Shares of the voiced time: {shares or 'none'}."
    if valued:
        low, high = min(valued, key=lambda pair: pair[0]), max(valued, key=lambda pair: pair[0])
        words += (
            f" Expected valence from {low[0]:+.2f} at {clock(low[1].start_s)} to {high[0]:+.2f} at "
            f"{clock(high[1].start_s)}."
        )
    for stretches, what in (
        (facts.paused, "pause"),
        (facts.degraded, "degraded work"),
        (facts.microphone, "microphone trouble"),
    ):
        if stretches:
            words += f" {len(stretches)} stretches of {what}."
    return words + (f" {facts.session.lost_s:.1f} s of audio lost." if facts.session.gaps else "")


def _caption(facts: Facts) -> Html:
    parts = []
    if any(line.valence is not None for line in facts.lines):
        known = [label for label in facts.labels if label in EMOTIONS]
        values = ", ".join(f"{label} {EMOTIONS[label].valence:+.1f}" for label in known)
        parts.append(
            "Above: the expected valence, which is the mean of a convention "
            f"({values}) weighted by the calibrated probabilities. Bars reach from the lowest to the highest "
            "utterance, the line is a moving mean over the voiced time. It orders the labels on one axis and measures "
            "nobody's feelings; what the monitor was not sure of is not on it. Numbered lines are the strongest shifts."
        )
    parts.append(
        ("Below: each" if parts else "Each")
        + " stretch of speech in the row of its label, uncertain ones in a row of their own; where several share a "
        "moment, as high as their part of it."
    )
    if facts.session.gaps:
        parts.append("A dashed line marks lost audio.")
    return join(parts, " ")


# -- speakers ----------------------------------------------------------------------------------------------------------


def people(facts: Facts, shown: Sequence[tuple[str, Person]]) -> Html:
    """Each speaker's course: a cell is a stretch of time, its sign the label most voiced in it."""

    def draw(frame: Frame) -> tuple[list[Html], float]:
        marks: list[Html] = []
        y = 6.0
        cell = 12.0
        count = max(1, int(frame.plot / cell))
        for name, person in shown:
            found = columns(person.lines, facts.duration_s, count)
            step = frame.plot / count
            short = fitted(name, 11 if frame.narrow else 14)
            marks.append(label_of_row(frame, y + 13, short, f"ink {speaker_class(facts.coloured.get(person.name))}"))
            for index, column in enumerate(found):
                ranked = column.ranked()
                x = frame.left + step * index
                if not ranked:
                    marks.append(tag("line", x1=x + 2, x2=x + step - 2, y1=y + 9, y2=y + 9, class_="faint"))
                    continue
                colour = colour_class(ranked[0])
                marks.append(tag("rect", x=x + 0.5, y=y, width=step - 1, height=18, rx=2, class_=f"cell {colour}"))
                marks.append(_text(x + step / 2, y + 13.5, sign(ranked[0]), "mid glyph"))
            y += 26
        marks += axis(frame, y)
        return marks, y + 22

    words = "; ".join(f"{name}: {_shares_in_words(person)}" for name, person in shown)
    caption = "Each cell is a stretch of time with the sign of the label that was voiced most in it; a line is silence."
    return figure("speakers-course", "The course of each speaker", words, facts.duration_s, draw, caption)


def bars(name: str, title: str, facts: Facts, shown: Sequence[tuple[str, Person]]) -> Html:
    """Shares of each speaker's voiced time as one bar a speaker."""
    order = [*facts.labels, NOT_SURE, NOTHING, NOT_JUDGED]

    def draw(frame: Frame) -> tuple[list[Html], float]:
        marks: list[Html] = []
        y = 4.0
        for label, person in shown:
            short = fitted(label, 11 if frame.narrow else 14)
            marks.append(label_of_row(frame, y + 15, short, f"ink {speaker_class(facts.coloured.get(person.name))}"))
            shares = person.shares()
            x = frame.left
            for part in [part for part in order if part in shares]:
                width = frame.plot * shares[part]
                marks.append(
                    tag("rect", x=x, y=y, width=max(0.5, width - 1), height=22, class_=f"cell {colour_class(part)}")
                )
                percent = f" {shares[part]:.0%}"
                if width > 11:
                    marks.append(
                        _text(x + width / 2, y + 15.5, sign(part) + (percent if width > 46 else ""), "mid glyph")
                    )
                x += width
            y += 30
        return marks, y

    words = "; ".join(f"{label}: {_shares_in_words(person)}" for label, person in shown)
    signs = join((f"{sign(part)}\u00a0{part}" for part in order if part in facts.shares()), ", ")
    return figure(name, title, words, facts.duration_s, draw, join(["Shares of the voiced time. ", signs, "."]))


def label_of_row(frame: Frame, y: float, words: str, classes: str) -> Html:
    """The name of a row, left of it."""
    return _text(frame.left - 8, y, words, f"end small bold {classes}")


def _shares_in_words(person: Person) -> str:
    return ", ".join(f"{part} {share:.0%}" for part, share in person.shares().items()) or "nothing"


def _text(x: float, y: float, words: str, classes: str) -> Html:
    return tag("text", words, x=round(x, 1), y=round(y, 1), class_=classes)


def fitted(words: str, most: int) -> str:
    """`words`, cut to a width in letters, counted roughly: Chinese and emoji as two, capitals as one and a half."""
    width = 0.0
    for at, character in enumerate(words):
        width += 2 if east_asian_width(character) in "WF" else 1.4 if character.isupper() or character in "<>mw" else 1
        if width > most:
            return words[: max(1, at - 1)] + "…"
    return words
