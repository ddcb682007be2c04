"""What stands out in a session: where the expressed emotion shifts, and the surest moments that are not neutral."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from livemerc.dashboard.state.utterance import Utterance

_LOOK_BACK = 500
"""A speaker who has said nothing for so many utterances begins anew."""
_CANDIDATES = 32
SHORTEST_S = 0.5
"""Less voice than this is no moment to point at, however sure the model is."""


class Shifts:
    """Utterances whose label is another than that of the same speaker's one before; abstained ones do not count.

    They are found again from the first change on, so that the ten-thousandth utterance costs what the tenth does.
    """

    def __init__(self) -> None:
        self._times_s: list[float] = []
        self._rows: list[int] = []  # the utterance of each of the last times, by index
        self._from: int | None = 0  # the first that changed since; None = none did
        self._speakers: set[str | None] = set()

    def touch(self, index: int) -> None:
        """The utterances from `index` on have changed."""
        self._from = index if self._from is None else min(self._from, index)

    def forget(self, count: int) -> None:
        """The first `count` utterances are no longer in the list; when they shifted is kept."""
        self._rows = [row - count for row in self._rows[bisect_left(self._rows, count) :]]
        self._from = None if self._from is None else max(0, self._from - count)

    def look(self, utterances: Sequence[Utterance]) -> list[float]:
        """When each shift began, in order."""
        if self._from is None:
            return self._times_s
        begin = min(self._from, len(utterances))
        keep = bisect_left(self._rows, begin)
        past = len(self._times_s) - len(self._rows)
        del self._rows[keep:], self._times_s[past + keep :]
        last: dict[str | None, str] = {}
        for utterance in reversed(utterances[max(0, begin - _LOOK_BACK) : begin]):
            label = _settled_on(utterance)
            if label is not None and utterance.speaker not in last:
                last[utterance.speaker] = label
                if len(last) >= len(self._speakers):
                    break  # nobody else has said anything yet
        for index in range(begin, len(utterances)):
            utterance = utterances[index]
            label = _settled_on(utterance)
            if label is None:
                continue
            self._speakers.add(utterance.speaker)
            if last.get(utterance.speaker, label) != label:
                self._rows.append(index)
                self._times_s.append(utterance.start_s)
            last[utterance.speaker] = label
        self._from = None
        return self._times_s


def _settled_on(utterance: Utterance) -> str | None:
    estimate = utterance.estimate
    if not utterance.final or estimate is None or estimate.abstained is not None:
        return None
    return estimate.label


class Strongest:
    """The utterances whose label, other than neutral, is the surest (its calibrated probability)."""

    def __init__(self) -> None:
        self._kept: list[Utterance] = []  # the surest first; more than are shown, as some are revised away

    def note(self, utterance: Utterance) -> None:
        """The estimate of `utterance` is new or has changed."""
        kept = [other for other in self._kept if other is not utterance]
        if _strength(utterance) > 0 and (len(kept) < _CANDIDATES or _strength(utterance) > _strength(kept[-1])):
            kept.append(utterance)
            kept.sort(key=_strength, reverse=True)
            del kept[_CANDIDATES:]
        self._kept = kept

    def best(self, count: int) -> list[Utterance]:
        return [utterance for utterance in self._kept if _strength(utterance) > 0][:count]

    def moved(self, copies: dict[str, Utterance]) -> Strongest:
        """The same moments among copies of the utterances, which are found by id."""
        other = Strongest()
        other._kept = [copies[u.utterance_id] for u in self._kept if u.utterance_id in copies]
        return other


def _strength(utterance: Utterance) -> float:
    label = _settled_on(utterance)
    if label is None or label == "neutral" or utterance.length_s < SHORTEST_S or utterance.estimate is None:
        return 0.0
    return utterance.estimate.confidence
