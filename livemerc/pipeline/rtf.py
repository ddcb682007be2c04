"""The recogniser's real-time factor, learnt while it works."""

from __future__ import annotations

RATED_S = 1.0
"""Less audio than this tells little about the recogniser."""


class RealTimeFactor:
    """`seconds`: what one second of audio takes. It begins at a guess."""

    def __init__(self, guess: float = 0.1) -> None:
        self.seconds = guess

    def learn(self, audio_s: float, took_s: float, *, rest: bool = False) -> None:
        """Takes in one call. A slower one counts half, a faster one at once: an estimate that is too low is soon found
        out. `rest`: the call decoded what was left of an utterance, which tells of a whole one only where it was slow.
        """
        if rest and audio_s < RATED_S and took_s <= self.seconds * RATED_S:
            return
        seconds = took_s / max(audio_s, 0.1)
        self.seconds = min(seconds, (self.seconds + seconds) / 2)

    def expected_s(self, audio_s: float) -> float:
        """How long so much audio will probably take."""
        return audio_s * self.seconds
