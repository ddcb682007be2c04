"""How fast the recogniser is, learnt while it works: what any call takes, and what a second of audio adds to it."""

from __future__ import annotations

_FORGET = 0.85
"""A call counts so much less with every later one: about the last seven make up the line."""
_SLOPE_SHARE = 0.1
"""Before calls of different lengths tell, a second of audio is thought to add this share of what any call takes."""
_SLOPE_WEIGHT_S2 = 2.0
"""... and this much spread (squared distance of lengths from their mean, over all calls) weighs as much as that."""
_AT_MOST = 2.0
"""A single slow call counts as no slower than so many times what was expected: another program had the machine."""
_LEAST_S = 1e-6


class Pace:
    """A line, `fixed + slope * audio`, fitted to what calls took. Neither part is negative. It begins at a guess.

    A Whisper costs nearly the same at any length, so seconds taken by seconds of audio, learnt from a short utterance,
    would promise far too much for a long one.
    """

    def __init__(self, guess_s: float = 0.1) -> None:
        """`guess_s`: what a second of audio may take."""
        self._guess_s = guess_s
        self._calls = self._audio_s = self._took_s = self._audio2 = self._product = 0.0  # sums, older calls fading
        self._level = 1.0  # how much slower than on the line the machine is now
        self._slow_before = False

    def expected_s(self, audio_s: float) -> float:
        """How long so much audio will probably take; 0 for none."""
        if audio_s <= 0:
            return 0.0
        if not self._calls:
            return self._guess_s * audio_s
        fixed_s, slope = self._line()
        return self._level * (fixed_s + slope * audio_s)

    def learn(self, audio_s: float, took_s: float) -> None:
        """Takes in one call. A slower one than expected counts half, a faster one at once: an estimate that is too low
        is soon found out. The first call counts whole; a very slow one only where the one before it was slow as well.
        """
        if audio_s <= 0:
            return
        took_s, expected_s = max(took_s, _LEAST_S), self.expected_s(audio_s)
        wanted_s = took_s
        if self._calls:
            limit_s = _AT_MOST * expected_s
            slow = took_s > limit_s
            if slow and not self._slow_before:
                took_s = limit_s
            self._slow_before = slow
            wanted_s = min(took_s, (expected_s + took_s) / 2)
        self._add(audio_s, took_s)
        fixed_s, slope = self._line()
        self._level = wanted_s / (fixed_s + slope * audio_s)

    def _add(self, audio_s: float, took_s: float) -> None:
        self._calls = _FORGET * self._calls + 1
        self._audio_s = _FORGET * self._audio_s + audio_s
        self._took_s = _FORGET * self._took_s + took_s
        self._audio2 = _FORGET * self._audio2 + audio_s * audio_s
        self._product = _FORGET * self._product + audio_s * took_s

    def _line(self) -> tuple[float, float]:
        """Fixed seconds, and seconds a second of audio: least squares, drawn towards `_SLOPE_SHARE`."""
        audio_s, took_s = self._audio_s / self._calls, self._took_s / self._calls
        spread = max(0.0, self._audio2 / self._calls - audio_s * audio_s)
        together = self._product / self._calls - audio_s * took_s
        thought = _SLOPE_SHARE * took_s / (1 + _SLOPE_SHARE * audio_s)
        weight = _SLOPE_WEIGHT_S2 / self._calls
        slope = (together + weight * thought) / (spread + weight)
        slope = min(max(0.0, slope), took_s / audio_s)  # so that nothing of the fixed part is negative
        return took_s - slope * audio_s, slope
