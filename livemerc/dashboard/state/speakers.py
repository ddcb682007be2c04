"""Who has been heard: what they are called, and a course for each of the first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from sys import intern
from typing import Literal

from livemerc.dashboard.state.course import Course
from livemerc.dashboard.state.utterance import Utterance
from livemerc.notation import ids_of_names

SPEAKERS_APART = 8
"""How many speakers have a course of their own; where there are more, it is no conversation but a damaged file."""


class Speakers:
    """By what they are called now: who has been heard, and a course for each of the first."""

    def __init__(self) -> None:
        self.names: dict[str, str | None] = {}  # by the id that events have
        self.heard: set[str] = set()
        self.courses: dict[str, Course] = {}
        self._ids: dict[str, str] = {}

    def copy(self) -> Speakers:
        """One that changes on its own."""
        other = Speakers()
        other.names, other.heard, other._ids = dict(self.names), set(self.heard), dict(self._ids)
        other.courses = {speaker: course.copy() for speaker, course in self.courses.items()}
        return other

    def name(self, speaker_id: str, name: str | None) -> set[str]:
        """They are called so from now on. Returns all whose name or colour may have changed, by ids."""
        touched = {speaker_id}
        for shown in (self.names.get(speaker_id), name):
            touched |= {one for one, called in self.names.items() if called and called == shown}
        self.names[speaker_id] = name
        self._ids = ids_of_names(self.names)
        return touched

    def coloured(self, shown: str | None) -> str | None:
        """The id whose colour that name has; a name that nobody gave is the id."""
        return None if shown is None else self._ids.get(shown, shown)

    def spoke(self, utterance: Utterance, speaker_id: str | None) -> None:
        """It is theirs, and has the name and the colour that they have now."""
        utterance.speaker_id = speaker_id
        utterance.speaker = self._known(self._called(speaker_id))
        utterance.coloured = self.coloured(utterance.speaker)

    def call(
        self, utterances: Iterable[Utterance], count: Callable[[Utterance, Literal[1, -1]], None]
    ) -> tuple[list[Utterance], set[str]]:
        """Each by what its speaker is called now. `count` takes one out of the courses, and in again. Returns which
        have changed, and what they were called before."""
        changed, before = [], set()
        for utterance in utterances:
            called = self._called(utterance.speaker_id)
            if (utterance.speaker, utterance.coloured) == (called, self.coloured(called)):
                continue
            if utterance.speaker:
                before.add(utterance.speaker)
            count(utterance, -1)
            self.spoke(utterance, utterance.speaker_id)
            count(utterance, 1)
            changed.append(utterance)
        return changed, before

    def forget(self, names: Iterable[str]) -> None:
        """They were somebody else all along, or are called otherwise now."""
        for name in names:
            self.heard.discard(name)
            self.courses.pop(name, None)

    def _called(self, speaker_id: str | None) -> str | None:
        return None if speaker_id is None else self.names.get(speaker_id) or speaker_id

    def _known(self, speaker: str | None) -> str | None:
        """The name, once in memory, now among those who were heard."""
        if not speaker:
            return speaker
        speaker = intern(speaker)
        self.heard.add(speaker)
        if speaker not in self.courses and len(self.courses) < SPEAKERS_APART:
            self.courses[speaker] = Course()
        return speaker


@dataclass(slots=True)
class HeardSpeaker:
    """`speaker`: the id that events have; `shown`: what they are called; `coloured`: the id whose colour they have."""

    speaker: str
    shown: str
    coloured: str | None = None
    utterances: int = 0
    length_s: float = 0.0


def heard_speakers(utterances: Iterable[Utterance]) -> list[HeardSpeaker]:
    """Who has been heard, in the order in which they first spoke."""
    found: dict[str, HeardSpeaker] = {}
    for utterance in utterances:
        if utterance.speaker_id:
            new = HeardSpeaker(utterance.speaker_id, utterance.speaker or "", utterance.coloured)
            one = found.setdefault(utterance.speaker_id, new)
            one.utterances += 1
            one.length_s += utterance.length_s
    return list(found.values())
