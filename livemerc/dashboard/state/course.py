"""The course of a session in bounded memory: voiced seconds by label, and valence, in columns that merge."""

from __future__ import annotations

NOT_SURE = "not sure"
"""How an abstained estimate is counted and shown."""

Column = dict[str, float]
"""Voiced seconds by label."""
_MAX_COLUMNS = 512
"""No terminal has more."""
_FIRST_COLUMN_S = 0.5


class Course:
    """Voiced seconds by label, over time, and the valence of what was said (`livemerc.emotions.expected_valence`).

    When the columns run out, neighbours merge and a column spans twice the time: sums stay exact, nothing is lost.
    """

    def __init__(self, max_columns: int = _MAX_COLUMNS, column_s: float = _FIRST_COLUMN_S) -> None:
        self.column_s = column_s
        self.columns: list[Column] = []
        self.totals_s: Column = {}
        self._max_columns = max_columns
        self._merged_by: tuple[int, list[Column]] = (0, [])  # for the screen: how many columns are one, and those
        self._changed = 0  # the first column that has changed since
        self._valence_sums: list[float] = []  # of valence times seconds, a column each
        self._valence_s: list[float] = []  # seconds that have a valence

    def add(self, start_s: float, end_s: float, label: str, sign: int = 1, *, valence: float | None = None) -> None:
        """Count (`sign` 1) or take back (-1) an utterance. What is taken back must have been counted."""
        end_s = max(end_s, start_s + 1e-3)
        while end_s > self.column_s * self._max_columns:
            self.columns = _merged(self.columns, 2)
            self._valence_sums, self._valence_s = _summed(self._valence_sums, 2), _summed(self._valence_s, 2)
            self.column_s *= 2
            self._merged_by = (0, [])
        last = int(end_s / self.column_s)
        for _ in range(len(self.columns), last + 1):
            self.columns.append({})
            self._valence_sums.append(0.0)
            self._valence_s.append(0.0)
        first = int(start_s / self.column_s)
        self._changed = min(self._changed, first)
        for index in range(first, last + 1):
            overlap_s = min(end_s, (index + 1) * self.column_s) - max(start_s, index * self.column_s)
            if overlap_s > 0:
                _count(self.columns[index], label, sign * overlap_s)
                if valence is not None:
                    self._valence_sums[index] += sign * overlap_s * valence
                    self._valence_s[index] += sign * overlap_s
        _count(self.totals_s, label, sign * (end_s - start_s))

    def copy(self) -> Course:
        """One that changes on its own."""
        other = Course(self._max_columns, self.column_s)
        other.columns = [dict(column) for column in self.columns]
        other.totals_s = dict(self.totals_s)
        other._valence_sums, other._valence_s = list(self._valence_sums), list(self._valence_s)
        return other

    def strip(self, width: int, duration_s: float) -> tuple[list[Column], float]:
        """At most `width` columns that cover `duration_s`, and the seconds each spans (a multiple of `column_s`)."""
        needed = max(len(self.columns), int(duration_s / self.column_s) + 1)
        factor = -(-needed // max(1, width))
        return self.columns_of(self.column_s * factor, -(-needed // factor)), self.column_s * factor

    def columns_of(self, span_s: float, count: int) -> list[Column]:
        """The first `count` columns of `span_s`, which is a multiple of `column_s`. They are for reading only."""
        factor = max(1, round(span_s / self.column_s))
        columns = self.columns
        if factor > 1:
            known, columns = self._merged_by
            if known != factor:
                columns, self._changed = [], 0
            begin = min(self._changed // factor, len(columns))  # what was merged before stays where nothing has changed
            columns[begin:] = _merged(self.columns[begin * factor :], factor)
            self._merged_by, self._changed = (factor, columns), len(self.columns)
        return columns[:count] + [{} for _ in range(count - len(columns))]

    def curve(self, span_s: float, count: int) -> list[float | None]:
        """The mean valence of what was said in each of those columns; None where nothing was, or nothing is known."""
        factor = max(1, round(span_s / self.column_s))
        sums, seconds = _summed(self._valence_sums, factor), _summed(self._valence_s, factor)
        known = [total / s if s > 1e-6 else None for total, s in zip(sums, seconds, strict=True)]
        return known[:count] + [None] * (count - len(known))

    def shares(self) -> dict[str, float]:
        """Share of the voiced time by label, the largest first; they sum to 1."""
        total_s = sum(self.totals_s.values())
        ranked = sorted(self.totals_s.items(), key=lambda item: -item[1])
        return {label: seconds / total_s for label, seconds in ranked} if total_s else {}


def _count(column: Column, label: str, seconds: float) -> None:
    column[label] = column.get(label, 0.0) + seconds
    if column[label] < 1e-9:
        del column[label]


def _merged(columns: list[Column], factor: int) -> list[Column]:
    merged = []
    for at in range(0, len(columns), factor):
        group = [column for column in columns[at : at + factor] if column]
        whole: Column = dict(group[0]) if group else {}
        for column in group[1:]:
            for label, seconds in column.items():
                whole[label] = whole.get(label, 0.0) + seconds
        merged.append(whole)
    return merged


def _summed(values: list[float], factor: int) -> list[float]:
    return [sum(values[at : at + factor]) for at in range(0, len(values), factor)]
