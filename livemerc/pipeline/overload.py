"""What is given up first when the machine cannot keep up, and when it comes back: the degrade order, entered and left
by measured lag. Finals are never given up; an utterance that costs too much loses its partials, then the better
recogniser, then the wait for its words.
"""

from __future__ import annotations

from enum import IntEnum

from livemerc.config import OverloadConfig


class Level(IntEnum):
    """The degrade order: each level includes the ones before it."""

    WELL = 0
    NO_PARTIALS = 1
    """No hypotheses while someone speaks."""
    FAST_ASR = 2
    """Greedy decoding, and a smaller recogniser where there is one."""
    SPEECH_ONLY = 3
    """Judged by the voice at once; the words follow when there is time, and revise the label if it is still open."""


SENTENCES = {
    Level.NO_PARTIALS: "behind: no partial hypotheses until caught up",
    Level.FAST_ASR: "behind: the fastest recogniser there is and no partial hypotheses until caught up",
    Level.SPEECH_ONLY: "behind: judging by the voice alone, the words come when there is time",
}
"""What `status.degraded` says. No figures: a sentence that changes twice a second is noise; `lag_s` has them."""

LEAVE_SHARE = 0.5
"""A level is left below this share of the lag that it is entered at: hysteresis."""
LONGEST_CALM = 16
"""A level that is entered again soon after it was left is held twice as long, up to this many times `calm_s`."""
SOON = 4
"""... soon: within this many times the hold."""


class Overload:
    """`observe` the lag as often as you like; `level` is what to give up now. Pure: time comes in, nothing goes out.

    Upwards at once, to whatever the lag asks for; downwards one level at a time, after `calm_s` of lag below half of
    what the level was entered at.
    """

    def __init__(self, config: OverloadConfig) -> None:
        self._after_s = {
            Level.NO_PARTIALS: config.skip_partials_after_s,
            Level.FAST_ASR: config.fast_asr_after_s,
            Level.SPEECH_ONLY: config.speech_only_after_s,
        }
        self._least_calm_s = self._hold_s = config.calm_s
        self._calm_since_s: float | None = None
        self._left_at_s: float | None = None
        self.level = Level.WELL

    def observe(self, now_s: float, lag_s: float) -> Level:
        """`now_s`: any clock that does not run back; `lag_s`: how far the newest settled words or labels are behind."""
        wanted = max((level for level, after_s in self._after_s.items() if lag_s >= after_s), default=Level.WELL)
        if wanted > self.level:
            self._enter(wanted, now_s)
        elif self.level is not Level.WELL and lag_s < LEAVE_SHARE * self._after_s[self.level]:
            if self._calm_since_s is None:
                self._calm_since_s = now_s
            elif now_s - self._calm_since_s >= self._hold_s:
                self.level = Level(self.level - 1)
                self._left_at_s = self._calm_since_s = now_s
        else:
            self._calm_since_s = None
        return self.level

    def _enter(self, level: Level, now_s: float) -> None:
        soon = self._left_at_s is not None and now_s - self._left_at_s < SOON * self._hold_s
        longest_s = LONGEST_CALM * self._least_calm_s
        if soon:
            self._hold_s = min(2 * self._hold_s, longest_s)
        elif self.level is Level.WELL:
            self._hold_s = self._least_calm_s
        self._left_at_s = self._calm_since_s = None
        self.level = level
