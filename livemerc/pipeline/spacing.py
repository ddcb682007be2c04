"""How far apart utterances come, and so for how long one is open to revision."""

from __future__ import annotations

from livemerc.audio.items import Utterance

_FIRST_S = 4.0


class Spacing:
    """The mean of the seconds between utterances, the newest counting half."""

    def __init__(self) -> None:
        self._last_decided_s: float | None = None
        self._spacing_s = _FIRST_S

    def learn(self, utterance: Utterance) -> None:
        """Takes the next utterance, in order of time."""
        if self._last_decided_s is not None:
            self._spacing_s = (self._spacing_s + max(0.0, utterance.decided_s - self._last_decided_s)) / 2
        self._last_decided_s = utterance.decided_s

    def open_for_s(self, revise: int, freeze_after_s: float) -> float:
        """Until `revise` later ones have come as things go, or silence of `freeze_after_s` freezes it."""
        return min(freeze_after_s, revise * self._spacing_s)
