"""How the speakers of a session share the floor."""

from __future__ import annotations

from collections.abc import Sequence

from livemerc.dashboard.state.utterance import Utterance
from livemerc.sessions.talk import Said, Talk, talk


class Floor:
    """`look` finds it anew only where somebody has spoken since, or it was somebody else."""

    def __init__(self) -> None:
        self._speakers: list[str | None] = []
        self._found = Talk()

    def look(self, utterances: Sequence[Utterance]) -> Talk:
        """Of those that are final."""
        speakers = [utterance.speaker for utterance in utterances if utterance.final]
        if speakers != self._speakers:
            self._speakers = speakers
            self._found = talk(
                Said(u.speaker or None, u.start_s, u.end_s, u.overlaps or ()) for u in utterances if u.final and u.end_s
            )
        return self._found
