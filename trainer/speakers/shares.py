"""How much of a conversation has the right speaker: labels of utterances against turns that are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainer.speakers.conversations import Turn

_STEP_S = 0.01


@dataclass(frozen=True, slots=True)
class Labelled:
    """An utterance and who is said to have said it; None = unknown."""

    start_s: float
    end_s: float
    speaker: str | None


@dataclass(frozen=True, slots=True)
class Share:
    """Seconds inside utterances in which exactly one person speaks: all of them, those with the right label, and those
    that would be right if each utterance had the best label that it can have. `found`: how many labels there are."""

    judged_s: float
    right_s: float
    best_s: float
    found: int

    @property
    def right(self) -> float:
        return self.right_s / self.judged_s if self.judged_s else 0.0

    @property
    def best(self) -> float:
        return self.best_s / self.judged_s if self.judged_s else 0.0


def share_right(turns: Sequence[Turn], utterances: Sequence[Labelled]) -> Share:
    """Labels count by the pairing of labels and people that makes most of the time right, one to one."""
    from scipy.optimize import linear_sum_assignment

    people = sorted({turn.speaker for turn in turns})
    labels = sorted({u.speaker for u in utterances if u.speaker is not None})
    end_s = max([t.end_s for t in turns] + [u.end_s for u in utterances], default=0.0)
    talks = np.zeros((len(people), round(end_s / _STEP_S) + 1), bool)
    for turn in turns:
        talks[people.index(turn.speaker), round(turn.start_s / _STEP_S) : round(turn.end_s / _STEP_S)] = True
    alone = talks & (talks.sum(0) == 1)
    together = np.zeros((len(people), len(labels)))
    judged = best = 0.0
    for utterance in utterances:
        inside = alone[:, round(utterance.start_s / _STEP_S) : round(utterance.end_s / _STEP_S)].sum(1) * _STEP_S
        judged += float(inside.sum())
        best += float(inside.max(initial=0.0))
        if utterance.speaker is not None:
            together[:, labels.index(utterance.speaker)] += inside
    rows, columns = linear_sum_assignment(-together)
    return Share(judged, float(together[rows, columns].sum()), best, len(labels))
