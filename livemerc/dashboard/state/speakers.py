"""Who has been heard: names, a course for each of the first, and how they share the floor."""

from __future__ import annotations

from collections.abc import Sequence
from sys import intern

from livemerc.dashboard.state.course import Course
from livemerc.dashboard.state.utterance import Utterance
from livemerc.sessions.talk import Said, Talk, talk

SPEAKERS_APART = 8
"""How many speakers have a course of their own; where there are more, it is no conversation but a damaged file."""


def known(speaker: str | None, speakers: set[str], courses: dict[str, Course]) -> str | None:
    """The name, once in memory, now among those who were heard."""
    if not speaker:
        return speaker
    speaker = intern(speaker)
    speakers.add(speaker)
    if speaker not in courses and len(courses) < SPEAKERS_APART:
        courses[speaker] = Course()
    return speaker


class Floor:
    """`look` gives how the floor is shared; it is found anew only where `changed` was told since."""

    def __init__(self) -> None:
        self._found: Talk | None = None

    def changed(self) -> None:
        """Somebody has spoken, or it was somebody else."""
        self._found = None

    def look(self, utterances: Sequence[Utterance]) -> Talk:
        if self._found is None:
            self._found = talk(Said(u.speaker or None, u.start_s, u.end_s) for u in utterances if u.final and u.end_s)
        return self._found
