"""A person's pass over a recorded session: what they say of an utterance counts once it is on the disk.

`livemerc.dashboard.label.app` is the screen of it.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from msgspec import UNSET

from livemerc.errors import InputError, cause_of
from livemerc.sessions.corrections import CORRECTIONS_FILE, FIELDS, Correction, append_correction
from livemerc.sessions.session import RecordedUtterance, read_session
from livemerc.text_safety import plain_text


class Annotation:
    """The utterances of a session in an order, one of them the current one.

    Every method that changes something returns whether that is saved; if not, nothing has changed and `trouble` says
    why. Raises `InputError` for what is no session's folder, holds no utterances, or is still being recorded.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.session = read_session(folder)
        if not folder.is_dir():
            raise InputError(f"{folder}: a file of events alone; give the session's folder, which keeps corrections.")
        if self.session.growing:
            raise InputError(f"{folder}: this session is still being recorded; label it once it has ended.")
        if not self.session.utterances:
            raise InputError(f"{folder}: no utterances in this session; there is nothing to label.")
        self.utterances = list(self.session.utterances)
        self.labels = self.session.labels
        self.trouble: str | None = None
        where = folder / CORRECTIONS_FILE
        if not os.access(where if where.exists() else folder, os.W_OK):
            self.trouble = f"{CORRECTIONS_FILE} cannot be written here: nothing will be saved"
        self.by_time = True
        self._order = list(range(len(self.utterances)))
        self._at = 0
        self._done: list[tuple[int, Correction]] = []  # index, and what takes the change back; of this sitting
        if self.current.labelled:
            self.next_open()

    # -- where ---------------------------------------------------------------------------------------------------------

    @property
    def index(self) -> int:
        """Place of the current utterance by time, from 0."""
        return self._order[self._at]

    @property
    def position(self) -> int:
        """Place of the current utterance in the present order, from 0."""
        return self._at

    @property
    def order(self) -> list[int]:
        """Indexes by time, in the present order."""
        return self._order

    @property
    def current(self) -> RecordedUtterance:
        return self.utterances[self.index]

    @property
    def labelled(self) -> int:
        """How many utterances a person has judged."""
        return sum(utterance.labelled for utterance in self.utterances)

    @property
    def speakers(self) -> list[str]:
        """The names of all speakers, the most frequent first."""
        counts = Counter(utterance.speaker for utterance in self.utterances)
        return [name for name, _ in counts.most_common() if name]

    def go(self, position: int) -> None:
        """Go to a place in the present order, or to the nearest there is."""
        self._at = max(0, min(len(self._order) - 1, position))

    def move(self, by: int) -> None:
        self.go(self._at + by)

    def next_open(self) -> bool:
        """Go to the next utterance that nobody has judged, from the last one on to the first.

        False if there is none.
        """
        count = len(self._order)
        for step in range(1, count + 1):
            position = (self._at + step) % count
            if not self.utterances[self._order[position]].labelled:
                self._at = position
                return True
        return False

    def change_order(self) -> None:
        """Change between the order of time and the least certain first; the current utterance stays."""
        index = self.index
        self.by_time = not self.by_time
        self._order = sorted(range(len(self.utterances)), key=None if self.by_time else self._certainty)
        self._at = self._order.index(index)
        if not self.by_time and not self._done:  # nobody has begun: at the least certain one
            self._at = len(self._order) - 1
            self.next_open()

    def _certainty(self, index: int) -> tuple[float, int]:
        estimate = self.utterances[index].estimate
        if estimate is None:
            return -2.0, index
        return estimate.confidence - (estimate.abstained is not None), index

    # -- what a person says --------------------------------------------------------------------------------------------

    def set_emotion(self, label: str) -> bool:
        return self._correct(emotion=label, nothing_to_judge=None)

    def confirm(self) -> bool:
        """Say that the model's label is right. False, with `trouble`, where it gave none."""
        if self.current.estimate is None:
            self.trouble = "the model gave no label here: choose one"
            return False
        return self.set_emotion(self.current.estimate.label)

    def set_nothing_to_judge(self) -> bool:
        return self._correct(emotion=None, nothing_to_judge=True)

    def take_label_back(self) -> bool:
        return self._correct(emotion=None, nothing_to_judge=None)

    def set_text(self, text: str) -> bool:
        """Set what was said; "" = nothing. The recogniser's own words are no correction."""
        return self._correct(text=None if text == self.current.heard_text else text)

    def set_speaker(self, name: str) -> bool:
        """Set who said it; "" = nobody knows. The recorded speaker is no correction."""
        return self._correct(speaker=None if name == (self.current.heard_speaker or "") else name)

    def undo(self) -> bool:
        """Take the last change of this sitting back, and go there. False, with `trouble`, if there is none."""
        if not self._done:
            self.trouble = "nothing to undo"
            return False
        index, back = self._done[-1]
        if not self._save(index, back):
            return False
        self._done.pop()
        self._at = self._order.index(index)
        return True

    def _correct(self, **changes: Any) -> bool:
        before = self.current.correction
        now = {field: _value(before, field) for field in changes}
        if now == changes:
            self.trouble = None
            return True
        index = self.index
        if not self._save(index, Correction(utterance_id=self.current.utterance_id, **changes)):
            return False
        self._done.append((index, Correction(utterance_id=self.current.utterance_id, **now)))
        return True

    def _save(self, index: int, correction: Correction) -> bool:
        utterance = self.utterances[index]
        try:
            append_correction(self.folder, correction)
        except (OSError, ValueError) as error:
            self.trouble = plain_text(f"NOT SAVED ({cause_of(error)}): {CORRECTIONS_FILE} cannot be written")
            return False
        self.trouble = None
        before = utterance.correction
        self.utterances[index] = replace(
            utterance, correction=correction if before is None else before.then(correction)
        )
        return True


def _value(correction: Correction | None, field: str) -> Any:
    """What the correction says of a field; None where it says nothing."""
    assert field in FIELDS
    value = None if correction is None else getattr(correction, field)
    return None if value is UNSET or value is False else value
