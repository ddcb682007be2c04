"""Praat TextGrid (https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html) and Audacity's label tracks."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import NamedTuple

from livemerc.export.spans import Names, Span, caption, mark, ms, seconds, shown_label, shown_speaker, shown_words, span
from livemerc.sessions.bookmarks import Bookmark
from livemerc.sessions.session import RecordedSession


class _Interval(NamedTuple):
    where: Span
    words: str
    label: str


class _Lane(NamedTuple):
    """Intervals of one speaker of which no two overlap."""

    speaker: str | None
    intervals: list[_Interval]


def textgrid(session: RecordedSession) -> bytes:
    """Each speaker has two tiers, `words: Ann` and `emotion: Ann`, that tile the session; an empty tile is a gap.

    Intervals of one tier may not overlap: an utterance that begins before its speaker's last one ended goes to a
    further pair of tiers, `words: Ann (2)`, so that no time is changed. Bookmarks, if any, are a tier of points.
    """
    lanes = _lanes(session)
    points = _points(session.bookmarks)
    ends = [*(i.where.end_ms for lane in lanes for i in lane.intervals), *points]
    end_ms = max([ms(session.duration_s), 1, *ends])
    names: Names[tuple[int, str]] = Names(lambda key: _tier_name(key[1], lanes[key[0]].speaker), " ({})")
    tiers = [
        _tier(names[number, kind], [(i.where, i.words if kind == "words" else i.label) for i in lane.intervals], end_ms)
        for number, lane in enumerate(lanes)
        for kind in ("words", "emotion")
    ]
    if points:
        tiers.append(_point_tier("bookmarks", points, end_ms))
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {seconds(end_ms)}",
        "tiers? <exists>",
        f"size = {len(tiers)}",
        "item []:",
    ]
    for number, tier in enumerate(tiers, start=1):
        lines += [f"    item [{number}]:", *tier]
    return ("\n".join(lines) + "\n").encode()


def audacity(session: RecordedSession) -> bytes:
    """`begin<TAB>end<TAB>Ann: [joy] words`: a label track; points are utterances of no duration, and bookmarks."""
    labels = [(span(utterance), caption(utterance)) for utterance in session.utterances]
    labels += [(Span(ms(b.t_s), ms(b.t_s)), f"* {mark(b)}") for b in session.bookmarks]
    labels.sort(key=lambda label: label[0].start_ms)
    return "".join(f"{seconds(where.start_ms)}\t{seconds(where.end_ms)}\t{text}\n" for where, text in labels).encode()


def _lanes(session: RecordedSession) -> list[_Lane]:
    by_speaker: dict[str | None, list[_Interval]] = {}
    for utterance in session.utterances:
        interval = _Interval(span(utterance, shortest_ms=1), shown_words(utterance), shown_label(utterance))
        by_speaker.setdefault(shown_speaker(utterance), []).append(interval)
    lanes: list[_Lane] = []
    for speaker, intervals in by_speaker.items():
        free: list[tuple[int, int]] = []  # (end of its last interval, lane)
        for interval in sorted(intervals, key=lambda i: i.where):
            if free and free[0][0] <= interval.where.start_ms:
                _, number = heapq.heappop(free)
            else:
                number = len(lanes)
                lanes.append(_Lane(speaker, []))
            lanes[number].intervals.append(interval)
            heapq.heappush(free, (interval.where.end_ms, number))
    return lanes or [_Lane(None, [])]


def _points(bookmarks: Iterable[Bookmark]) -> dict[int, str]:
    """Time in ms -> text; a tier cannot hold two points at one time."""
    points: dict[int, str] = {}
    for bookmark in bookmarks:
        t_ms = ms(bookmark.t_s)
        points[t_ms] = f"{points[t_ms]}; {mark(bookmark)}" if t_ms in points else mark(bookmark)
    return points


def _point_tier(name: str, points: dict[int, str], end_ms: int) -> list[str]:
    lines = [
        '        class = "TextTier"',
        f"        name = {_quoted(name)}",
        "        xmin = 0",
        f"        xmax = {seconds(end_ms)}",
        f"        points: size = {len(points)}",
    ]
    for number, (t_ms, text) in enumerate(points.items(), start=1):
        lines += [
            f"        points [{number}]:",
            f"            number = {seconds(t_ms)}",
            f"            mark = {_quoted(text)}",
        ]
    return lines


def _tier_name(kind: str, speaker: str | None) -> str:
    return kind if speaker is None else f"{kind}: {speaker}"


def _tier(name: str, intervals: list[tuple[Span, str]], end_ms: int) -> list[str]:
    tiles: list[tuple[int, int, str]] = []
    at_ms = 0
    for (start_ms, stop_ms), text in intervals:
        if start_ms > at_ms:
            tiles.append((at_ms, start_ms, ""))
        tiles.append((start_ms, stop_ms, text))
        at_ms = stop_ms
    if at_ms < end_ms:
        tiles.append((at_ms, end_ms, ""))
    lines = [
        '        class = "IntervalTier"',
        f"        name = {_quoted(name)}",
        "        xmin = 0",
        f"        xmax = {seconds(end_ms)}",
        f"        intervals: size = {len(tiles)}",
    ]
    for number, (start_ms, stop_ms, text) in enumerate(tiles, start=1):
        lines += [
            f"        intervals [{number}]:",
            f"            xmin = {seconds(start_ms)}",
            f"            xmax = {seconds(stop_ms)}",
            f"            text = {_quoted(text)}",
        ]
    return lines


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
