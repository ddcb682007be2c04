"""The course of a session in bounded memory: voiced seconds by label in columns of time that merge as it grows."""

from __future__ import annotations

NOT_SURE = "not sure"
"""How an abstained estimate is counted and shown."""

Column = dict[str, float]
_MAX_COLUMNS = 1024
_FIRST_COLUMN_S = 0.5


class Course:
    """Voiced seconds by label, over time.

    When the columns run out, neighbours merge and a column spans twice the time: sums stay exact, nothing is lost.
    """

    def __init__(self, max_columns: int = _MAX_COLUMNS, column_s: float = _FIRST_COLUMN_S) -> None:
        self.column_s = column_s
        self.columns: list[Column] = []
        self.totals_s: Column = {}
        self._max_columns = max_columns

    def add(self, start_s: float, end_s: float, label: str, sign: int = 1) -> None:
        """Count (`sign` 1) or take back (-1) an utterance. What is taken back must have been counted."""
        end_s = max(end_s, start_s + 1e-3)
        while end_s > self.column_s * self._max_columns:
            self.columns = _merged(self.columns, 2)
            self.column_s *= 2
        last = int(end_s / self.column_s)
        while len(self.columns) <= last:
            self.columns.append({})
        for index in range(int(start_s / self.column_s), last + 1):
            overlap_s = min(end_s, (index + 1) * self.column_s) - max(start_s, index * self.column_s)
            if overlap_s > 0:
                _count(self.columns[index], label, sign * overlap_s)
        _count(self.totals_s, label, sign * (end_s - start_s))

    def copy(self) -> Course:
        """One that goes its own way."""
        other = Course(self._max_columns, self.column_s)
        other.columns = [dict(column) for column in self.columns]
        other.totals_s = dict(self.totals_s)
        return other

    def strip(self, width: int, duration_s: float) -> tuple[list[Column], float]:
        """At most `width` columns that cover `duration_s`, and the seconds each spans (a power of two of the first)."""
        needed = max(len(self.columns), int(duration_s / self.column_s) + 1)
        factor = 1
        while -(-needed // factor) > max(1, width):
            factor *= 2
        columns = _merged(self.columns, factor) if factor > 1 else [dict(c) for c in self.columns]
        columns += [{} for _ in range(-(-needed // factor) - len(columns))]
        return columns, self.column_s * factor

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
        whole: Column = {}
        for column in columns[at : at + factor]:
            for label, seconds in column.items():
                whole[label] = whole.get(label, 0.0) + seconds
        merged.append(whole)
    return merged
