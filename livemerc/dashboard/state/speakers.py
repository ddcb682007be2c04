"""Who has been heard: names, and a course for each of the first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from sys import intern

from livemerc.dashboard.state.course import Course
from livemerc.dashboard.state.utterance import Utterance

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


@dataclass(slots=True)
class HeardSpeaker:
    """`speaker`: the id that events have; `shown`: what they are called."""

    speaker: str
    shown: str
    utterances: int = 0
    length_s: float = 0.0


def heard_speakers(utterances: Iterable[Utterance]) -> list[HeardSpeaker]:
    """Who has been heard, in the order in which they first spoke."""
    found: dict[str, HeardSpeaker] = {}
    for utterance in utterances:
        if utterance.speaker_id:
            one = found.setdefault(utterance.speaker_id, HeardSpeaker(utterance.speaker_id, utterance.speaker or ""))
            one.utterances += 1
            one.length_s += utterance.length_s
    return list(found.values())
