"""Time in columns: a figure of three hours has no more marks than one of three minutes, and loses no extreme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from livemerc.report.facts import Line

TREND_SHARE = 1 / 30
TREND_LEAST_S = 12.0
"""The valence curve is a mean around each moment, over a share of the session, but at least over these seconds."""


@dataclass(slots=True)
class Column:
    """`voiced_s` by what is shown; `low`, `high`: the extremes of valence in it; `trend`: the smoothed curve there."""

    voiced_s: dict[str, float] = field(default_factory=dict)
    low: float | None = None
    high: float | None = None
    weight_s: float = 0.0
    sum: float = 0.0
    trend: float | None = None

    def ranked(self) -> list[str]:
        return sorted(self.voiced_s, key=lambda shown: -self.voiced_s[shown])


def columns(lines: Sequence[Line], duration_s: float, count: int) -> list[Column]:
    """`count` columns over the session. An utterance is in each column that it touches."""
    found = [Column() for _ in range(count)]
    width_s = max(duration_s, 1e-3) / count
    for line in lines:
        first = min(count - 1, int(line.start_s / width_s))
        last = min(count - 1, int(max(line.end_s, line.start_s) / width_s))
        for index in range(first, last + 1):
            overlap_s = min(line.end_s, (index + 1) * width_s) - max(line.start_s, index * width_s)
            _add(found[index], line, max(overlap_s, 1e-3))
    _smooth(found, width_s, max(TREND_LEAST_S, duration_s * TREND_SHARE))
    return found


def _add(column: Column, line: Line, seconds: float) -> None:
    column.voiced_s[line.shown] = column.voiced_s.get(line.shown, 0.0) + seconds
    valence = line.valence
    if valence is not None:
        column.low = valence if column.low is None else min(column.low, valence)
        column.high = valence if column.high is None else max(column.high, valence)
        column.weight_s += seconds
        column.sum += seconds * valence


def _smooth(found: list[Column], width_s: float, window_s: float) -> None:
    """Set each column's trend: the mean valence by voiced time in a window around it. Running sums keep it linear."""
    reach = max(0, round(window_s / width_s / 2))
    weights, sums = [0.0], [0.0]
    for column in found:
        weights.append(weights[-1] + column.weight_s)
        sums.append(sums[-1] + column.sum)
    for index, column in enumerate(found):
        low, high = max(0, index - reach), min(len(found), index + reach + 1)
        weight = weights[high] - weights[low]
        if column.weight_s > 0 and weight > 0:
            column.trend = (sums[high] - sums[low]) / weight


def runs(flags: Sequence[bool]) -> list[tuple[int, int]]:
    """(first, after the last) of each stretch of true flags."""
    found, began = [], None
    for index, flag in enumerate([*flags, False]):
        if flag and began is None:
            began = index
        elif not flag and began is not None:
            found.append((began, index))
            began = None
    return found
