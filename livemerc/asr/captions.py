"""WebVTT and SubRip, read as players read them: times of any shape, numbers or none, blank lines anywhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from livemerc.errors import InputError

_CLOCK = r"(-?)(?:(\d{1,6})\s?:\s?)?(\d{1,4})\s?:\s?(\d{1,2})(?:\s?[.,:]\s?(\d{1,12}))?"
_ARROW = r"(?:-{1,3}\s?>|-\s->|[‐-―]{1,2}\s?>|→)"
_TIMING = re.compile(rf"\s*{_CLOCK}\s*{_ARROW}\s*{_CLOCK}(?:\s.*)?")
_MEANT_AS_TIMING = re.compile(r"\d\s?:\s?\d")
_COMMENT = re.compile(r"NOTE(?:\s|$)|(?:STYLE|REGION)\s*$")
_NUMBER = re.compile(r"\s*(\d{1,9})\s*")
_SHOWN_CHARACTERS = 40


@dataclass(slots=True)
class Caption:
    """A cue as it stands in the file."""

    start_s: float
    end_s: float
    lines: list[str] = field(default_factory=list)
    """Without blank ones; tags and entities are still in them."""


def read_captions(path: Path, text: str, *, webvtt: bool, unread: list[str]) -> list[Caption]:
    """In the file's order. unread: gets a sentence for each line whose words have no time.

    Raises `InputError` that names the line of a time that cannot be read.
    """
    lines = text.split("\n")
    timings = [(at, times) for at, line in enumerate(lines) if (times := _timing(path, at + 1, line)) is not None]
    first = timings[0][0] if timings else len(lines)
    _before_the_first(path, lines[:first], webvtt, unread)
    captions = []
    last_number = _number(lines, first)
    spaced = last_number is not None and not lines[first - 1].strip()
    for (at, (start_s, end_s)), (following, _) in zip(timings, [*timings[1:], (None, None)], strict=False):
        body = lines[at + 1 : following]
        if following is not None and (index := _index_line(body, last_number, spaced)) is not None:
            number = _NUMBER.fullmatch(body[index])
            last_number = int(number[1]) if number else None if last_number is None else last_number + 1
            body = body[:index]
        captions.append(Caption(start_s, end_s, _words(body, webvtt)))
    return captions


def _timing(path: Path, number: int, line: str) -> tuple[float, float] | None:
    """Begin and end; None where the line is no timing."""
    if ">" not in line and "→" not in line:
        return None
    match = _TIMING.fullmatch(line)
    if match is None:
        if "-->" in line and _MEANT_AS_TIMING.search(line):
            raise InputError(f"{path}, line {number}: not a cue's timing; write 00:00:01.000 --> 00:00:02.500.")
        return None
    start_s, end_s = _seconds(*match.groups()[:5]), _seconds(*match.groups()[5:])
    if start_s > end_s:
        raise InputError(f"{path}, line {number}: the cue ends before it starts; swap its times.")
    return start_s, end_s


def _seconds(sign: str, hours: str | None, minutes: str, seconds: str, fraction: str | None) -> float:
    if sign:
        return 0.0  # nothing is heard before the beginning
    whole = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
    return whole + (int(fraction) / 10 ** len(fraction) if fraction else 0.0)


def _before_the_first(path: Path, lines: Sequence[str], webvtt: bool, unread: list[str]) -> None:
    """Tells words that stand before any time: neither a header nor the first cue's number or name."""
    if webvtt:
        head_end = next((at for at, line in enumerate(lines) if not line.strip()), len(lines))
        body = [""] * head_end + list(lines[head_end:])
    else:
        body = list(lines)
    kept = _without_comments(body) if webvtt else body
    spoken = [at for at, line in enumerate(kept) if line.strip()]
    if spoken and (spoken[-1] == len(kept) - 1 or _NUMBER.fullmatch(kept[spoken[-1]])):
        spoken.pop()  # the first cue's own
    for at in spoken:
        shown = kept[at].strip()[:_SHOWN_CHARACTERS]
        unread.append(f"{path}, line {at + 1}: words without a time are left out ({shown}); give them one.")


def _number(lines: Sequence[str], first: int) -> int | None:
    """The first cue's number, if it has one."""
    before = next((line for line in reversed(lines[:first]) if line.strip()), "")
    match = _NUMBER.fullmatch(before)
    return int(match[1]) if match else None


def _index_line(body: Sequence[str], last_number: int | None, spaced: bool) -> int | None:
    """Where in what stands between two timings the number or name of the second one stands, if it has one.

    last_number: of the cue before, None where cues have no numbers. spaced: a blank line stands behind every line.
    """
    at = next((i for i in range(len(body) - 1, -1, -1) if body[i].strip()), None)
    if at is None:
        return None
    number = _NUMBER.fullmatch(body[at])
    touches = at == len(body) - 1
    if number is not None and last_number is not None and (touches or spaced or int(number[1]) == last_number + 1):
        return at  # wherever blank lines stand, or none
    if not touches or at == 0 or body[at - 1].strip():
        return None
    # The one line of a cue behind a blank line is what is said in it, unless it is a number.
    says_something = any(line.strip() for line in body[:at])
    return at if says_something or number is not None else None


def _words(body: Sequence[str], webvtt: bool) -> list[str]:
    return [line for line in (_without_comments(body) if webvtt else body) if line.strip()]


def _without_comments(body: Sequence[str]) -> list[str]:
    """WebVTT: a comment begins behind a blank line and goes to the next. Its lines are blank here."""
    kept, comment = [], False
    for at, line in enumerate(body):
        if not line.strip():
            comment = False
        elif at and not body[at - 1].strip() and _COMMENT.match(line):
            comment = True
        kept.append("" if comment else line)
    return kept
