"""How long recogniser and model are waited for, by the lag of the session and by what a stop leaves."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from livemerc.audio.items import Utterance
from livemerc.config import Config
from livemerc.pipeline.no_answer import NoAnswer
from livemerc.pipeline.overload import SENTENCES, Level, Overload
from livemerc.pipeline.recogniser import Recogniser
from livemerc.runtime.notices import Notice, Tell, tell_nobody
from livemerc.runtime.worker import GiveUp

_WORDS_SHARE = 0.4
"""Keeps this share of the time that a stop leaves for the voice and the label: the recogniser is given up before."""
_LAST_MOMENT_S = 0.1
_HYPOTHESIS_WITHIN_S = 2.0
"""A hypothesis is a luxury, and is begun where it should take far less than this."""


def _no_lag(_: float) -> float:
    return 0.0


def _no_hurry() -> float | None:
    return None


@dataclass(frozen=True, slots=True)
class Situation:
    """What the processor knows of the world around it; the defaults are a file as fast as it goes: nothing presses.

    behind_s: how far an item that the ears decided at t_s (source time) is behind now, in seconds of source audio.
    left_s: seconds until a stopping session must have ended, None while it goes on; may raise to end all waiting.
    tell: puts a sentence on the board of what is degraded, or takes it off.
    """

    behind_s: Callable[[float], float] = _no_lag
    left_s: Callable[[], float | None] = _no_hurry
    tell: Tell = tell_nobody


class Patience:
    """Feeds the measured lag to the degrade order, and answers whoever waits for a call: go on, or why not.

    All methods are for the processor's thread.
    """

    def __init__(self, config: Config, situation: Situation, recogniser: Recogniser) -> None:
        self._config = config
        self._situation = situation
        self._recogniser = recogniser
        self._overload = Overload(config.overload)
        self._in_hand_s: float | None = None  # when the utterance in hand was decided, source time
        self._late_lag_s = 0.0  # how late the last late words came

    @property
    def level(self) -> Level:
        """What is given up now."""
        return self._overload.level

    @contextlib.contextmanager
    def in_hand(self, decided_s: float) -> Iterator[None]:
        """Meanwhile the lag is that of the utterance that was decided at `decided_s` (source time)."""
        self._in_hand_s = decided_s
        try:
            yield
        finally:
            self._in_hand_s = None

    def late_words_came(self, utterance: Utterance) -> None:
        """Until the next ones, theirs is the lag that counts while nobody waits for words."""
        self._late_lag_s = self._situation.behind_s(utterance.decided_s)

    def observe(self) -> None:
        """Measures the lag. While nobody waits for words, it is that of the words that are sought or came last."""
        behind_s = self._situation.behind_s
        lag_s = 0.0 if self._in_hand_s is None else behind_s(self._in_hand_s)
        if self.level >= Level.SPEECH_ONLY:
            sought = self._recogniser.pending_utterance
            lag_s = max(lag_s, self._late_lag_s if sought is None else behind_s(sought.decided_s))
        before = self.level
        level = self._overload.observe(time.monotonic(), lag_s)
        if level != before:
            self._late_lag_s = 0.0 if before < Level.SPEECH_ONLY else self._late_lag_s
            self._situation.tell(Notice.OVERLOAD, SENTENCES.get(level))

    def until_stop(self, limit_s: float) -> GiveUp[NoAnswer]:
        """How long a call may be waited for when only the end of the session presses."""

        def give_up(ran_s: float) -> NoAnswer | None:
            left_s = self._situation.left_s()
            if left_s is not None and left_s <= _WORDS_SHARE * self._config.live.stop_within_s:
                return NoAnswer.STOPPED
            return NoAnswer.HUNG if ran_s > limit_s else None

        return give_up

    def for_words(self, ran_s: float) -> NoAnswer | None:
        """Whether the recogniser is waited for any longer; tells of one that hangs."""
        self.observe()
        if self.level >= Level.SPEECH_ONLY:
            reason: NoAnswer | None = NoAnswer.HUNG if self._recogniser.hangs else NoAnswer.BEHIND
        else:
            reason = self.until_stop(self._config.asr.time_limit_s)(ran_s)
        if reason is NoAnswer.HUNG:
            self._recogniser.tell_hang()
        return reason

    def for_hypothesis(self, ran_s: float) -> NoAnswer | None:
        """Whether a hypothesis is waited for any longer: not for long, since finals may wait behind it."""
        return NoAnswer.BEHIND if ran_s > _HYPOTHESIS_WITHIN_S else self.for_words(ran_s)

    def for_label(self, ran_s: float) -> NoAnswer | None:
        """Whether the model is waited for any longer."""
        left_s = self._situation.left_s()
        if left_s is not None and left_s <= _LAST_MOMENT_S:
            return NoAnswer.STOPPED
        if self._in_hand_s is not None:
            self.observe()
            if self._situation.behind_s(self._in_hand_s) >= self._config.overload.unjudged_after_s:
                return NoAnswer.BEHIND
        return NoAnswer.HUNG if ran_s > self._config.model.time_limit_s else None
