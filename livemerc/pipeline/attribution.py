"""Why did the label shift? The utterance of the window without which it would be another.

Leave-one-out attribution (occlusion: Zeiler & Fergus 2014, section 4.2, there over patches of an image): the window is
judged again with each utterance masked out, all in one pass. It tells what the model went by, not what a person did.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from livemerc.events import EmotionEvent, LabelShift
from livemerc.model.leave_one_out import without_each
from livemerc.model.merits import Window
from livemerc.pipeline.judging import AnswersItself, Judges

_WAITING = 32
"""Shifts that wait for an explanation; of more, the oldest go without one."""


@dataclass(frozen=True, slots=True)
class Cause:
    """The place of an utterance in the window; None = no single one decides the label."""

    at: int | None


def cause(model: Judges, window: Window, at: int, label: int) -> Cause:
    """Which other utterance of the window the label of utterance `at` is due to: without it another label is the
    likeliest, and `label` loses more probability than without any other of which that is true. None is, where the
    window as it stands does not give `label`.

    One pass of Stages II and III over as many windows as there are utterances in this one. Raises ArithmeticError for
    what is not finite.
    """
    if isinstance(model, AnswersItself):
        return Cause(model.deciding(window, at, label))
    there = zip(window.has_text, window.has_speech, strict=True)
    others = [i for i, modalities in enumerate(there) if i != at and any(modalities)]
    judged = without_each(model, window, others, at)
    if not bool(judged.isfinite().all()):
        raise ArithmeticError("the model gave probabilities that are not finite")
    as_it_is, *missing = judged.tolist()
    if as_it_is.index(max(as_it_is)) != label:
        return Cause(None)
    found = [(row[label], other) for other, row in zip(others, missing, strict=True) if max(row) > row[label]]
    return Cause(min(found)[1] if found else None)


@dataclass(frozen=True, slots=True, eq=False)
class Unexplained:
    """A shift, and the window that was judged when its label was settled: rows (t1, s1), None = not there."""

    utterance_id: str
    before: str
    label: str
    names: Sequence[str]
    rows: Sequence[tuple[Tensor | None, Tensor | None]]

    def cause(self, model: Judges, window: Window) -> Cause:
        """As `cause` has it; `window`: of `rows`."""
        return cause(model, window, self.names.index(self.utterance_id), model.labels.index(self.label))

    def told(self, found: Cause) -> LabelShift:
        because = None if found.at is None else self.names[found.at]
        return LabelShift(utterance_id=self.utterance_id, before=self.before, because=because)


class Shifts:
    """Settled labels in, shifts out: where a speaker's label is another than that of the same speaker's one before.
    Abstained utterances do not count. An unknown speaker is one person."""

    def __init__(self) -> None:
        self.waiting: deque[Unexplained] = deque(maxlen=_WAITING)
        self._last: dict[str | None, EmotionEvent] = {}

    def before(self, speaker: str | None, frozen: EmotionEvent) -> str | None:
        """The utterance whose label this one's differs from; None = it is no shift."""
        if frozen.abstained is not None:
            return None
        last, self._last[speaker] = self._last.get(speaker), frozen
        return None if last is None or last.label == frozen.label else last.utterance_id
