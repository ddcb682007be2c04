"""Who speaks, utterance by utterance: provisional, revised, and frozen for good. A function of what was said so far.

Speakers are made of frozen utterances. With every new one those that are open are shared out anew among these speakers
and new ones (`livemerc.speakers.mixture`): speakers are split and joined before they freeze, and never after.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from livemerc.events import SpeakerStatus, UtteranceSpeaker
from livemerc.speakers.mixture import Known, Mixture, Sample

Found = tuple[str | None, float]
"""A speaker, None = unknown, and the probability of the most probable one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """`revise`: later utterances until one is frozen. `sure`: the probability below which the speaker is unknown.
    `at_most` speakers; None = any number. `memory`: the weight of the utterances that a voice is remembered by."""

    revise: int
    sure: float
    memory: float
    at_most: int | None = None


@dataclass(slots=True, eq=False)
class _Open:
    """An utterance that is not frozen. `found` may be newer than what was last told."""

    utterance_id: str
    sample: Sample | None
    found: Found = (None, 0.0)
    told: UtteranceSpeaker | None = None

    def tell(self, status: SpeakerStatus) -> UtteranceSpeaker:
        revision = 0 if self.told is None else self.told.revision + 1
        speaker, confidence = self.found
        self.told = UtteranceSpeaker(
            utterance_id=self.utterance_id, speaker=speaker, confidence=confidence, revision=revision, status=status
        )
        return self.told


class OnlineSpeakers:
    """`add` and `freeze_all` give what is new about who spoke; of `add` the utterance's own comes first. Nothing that
    comes later changes what is frozen."""

    def __init__(self, mixture: Mixture, rules: Rules) -> None:
        self._mixture = mixture
        self._rules = rules
        self._known: dict[str, Known] = {}  # speakers of frozen utterances, in the order in which they came
        self._open: list[_Open] = []

    def add(self, utterance_id: str, sample: Sample | None) -> list[UtteranceSpeaker]:
        """A new utterance. sample: its voice; None = too little of it: then it is nobody's."""
        newest = _Open(utterance_id, sample)
        self._open.append(newest)
        self._share_out()
        told = [newest.tell("provisional")]
        for one in self._open[:-1]:
            if one.told is None or one.told.speaker != one.found[0]:
                told.append(one.tell("revised"))
        while len(self._open) > self._rules.revise:
            told.append(self._freeze())
        return told

    def add_known(self, name: str, sample: Sample) -> None:
        """Somebody spoke whose name is known otherwise: nobody asks who, and their voice is known from then on."""
        self._learn(name, sample)

    def freeze_all(self) -> list[UtteranceSpeaker]:
        """At the end, or when nobody has spoken for a while."""
        return [self._freeze() for _ in range(len(self._open))]

    def _share_out(self) -> None:
        """Finds the speaker of each open utterance."""
        judged = [(one, one.sample) for one in self._open if one.sample is not None]
        known = list(self._known)
        samples = [sample for _, sample in judged]
        found = self._mixture.partition(list(self._known.values()), samples, self._rules.at_most)
        names: dict[int, str] = dict(enumerate(known))
        new = (name for number in itertools.count(1) if (name := f"S{number}") not in self._known)
        for (one, _), place, probability in zip(judged, found.places, found.probability, strict=True):
            if place is None or probability < self._rules.sure:
                one.found = None, probability
            else:
                if place not in names:
                    names[place] = next(new)
                one.found = names[place], probability

    def _freeze(self) -> UtteranceSpeaker:
        one = self._open.pop(0)
        speaker, _ = one.found
        if speaker is not None and one.sample is not None:
            self._learn(speaker, one.sample)
        return one.tell("frozen")

    def _learn(self, name: str, sample: Sample) -> None:
        before = self._known.get(name) or Known(0.0, np.zeros_like(sample.x))
        self._known[name] = before.and_also(sample, self._rules.memory)
