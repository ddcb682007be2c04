"""Who has been heard: names, and a course for each of the first."""

from __future__ import annotations

from sys import intern

from livemerc.dashboard.state.course import Course

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
