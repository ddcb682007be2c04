"""Where everything stands: one pure function from the size of the terminal to rows and columns."""

from __future__ import annotations

from dataclasses import dataclass, field

from livemerc.dashboard.panels import health

VIEWS = ("now", "course", "summary", "health")
"""What the one slot of a narrow screen can show. On a wide screen Now and Course are always there."""

WIDE = 112
HUGE = 160
TALL = 28
_TALLER, _VERY_TALL = 40, 50
_WORDS_LEAST = 4  # rows of the transcript
_SLOT = 5
_SUMMARY_LEAST = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """Heights in rows; 0 = not shown. `side_width`: 0 = the slot lies below the transcript."""

    slot: dict[str, int] = field(default_factory=dict)  # rows of each view that is shown, from the top
    side_width: int = 0
    course: int = 0  # below everything, over the whole width
    timeline: int = 0
    meter: int = 0
    status: int = 0
    choices: tuple[str, ...] = ()  # the views that the key `v` goes through


def plan(
    width: int, height: int, *, view: str, labels: int = 7, marks: bool = False, speakers: int = 0, trouble: int = 0
) -> Plan:
    """`marks`: the course has some; `speakers`: how many have a course of their own; `trouble`: rows of the banner."""
    room = height - 2 - trouble  # without header and keys
    if width >= WIDE and height >= 16:
        return _wide(width, height, room, view, labels, marks, speakers)
    return _narrow(height, room, view, labels)


def _wide(width: int, height: int, room: int, view: str, labels: int, marks: bool, speakers: int) -> Plan:
    course = timeline = 0
    if height >= TALL:
        valence, most = (4, 6) if height >= _VERY_TALL else (4, 3) if height >= _TALLER else (2, 3)
        course = 2 + valence + marks + (min(speakers, most) if speakers > 1 else 0)
    else:
        timeline = 1
    room -= course + timeline + 1  # the meter
    now, summary = labels + 6, labels + 9  # the last row of each stays empty
    side_width = 60 if width >= HUGE else 46
    if room >= now + summary + health.ROWS:
        rest = room - now - health.ROWS
        slot = {"now": now, "summary": min(rest, summary + 6), "health": health.ROWS}
        return Plan(slot, side_width, course, timeline, 1, 0)
    room -= 1  # the status line
    choices = ("summary", "health")
    below = room - now
    if below < min(_SUMMARY_LEAST, health.ROWS):  # one at a time
        shown = view if view in ("summary", "health") else "now"
        return Plan({shown: room}, side_width, course, timeline, 1, 1, ("now", *choices))
    shown = view if view in choices else choices[0]
    return Plan({"now": now, shown: below}, side_width, course, timeline, 1, 1, choices)


def _narrow(height: int, room: int, view: str, labels: int) -> Plan:
    """As the screen gets small, the least telling parts go first."""
    slot = labels + 5 if height >= 36 else _SLOT
    heights = {}
    room -= _WORDS_LEAST
    for name, rows in (("meter", 1), ("slot", slot), ("timeline", 1), ("status", 2)):
        heights[name] = rows if room >= rows else 0
        room -= heights[name]
    if view == "course" and heights["slot"]:  # the course has the strip, too
        heights["slot"] += heights["timeline"]
        heights["timeline"] = 0
    shown = {view: heights["slot"]} if heights["slot"] else {}
    return Plan(shown, 0, 0, heights["timeline"], heights["meter"], heights["status"], VIEWS if shown else ())
