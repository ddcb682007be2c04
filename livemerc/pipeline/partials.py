"""Partial estimates: what the voice of an utterance that still goes on says so far. The final estimate supersedes them.

They are luxuries. One is made only where it costs little, nobody waits and the model is well; one that fails or comes
late is left out, and neither counts as a failure nor is told: the final will say whether something is broken.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Protocol, TypeVar

from livemerc.audio.items import Speech
from livemerc.config import SAMPLE_RATE_HZ, Config
from livemerc.events import EmotionEvent
from livemerc.pipeline.abstention import Cues

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from livemerc.pipeline.dialogue import Dialogue

T = TypeVar("T")

_ROUNDING_S = 0.001
_WITHIN_S = 1.0
"""A partial estimate that takes longer is given up: a final may come any moment."""


class TriesVoices(Protocol):
    """What a partial estimate asks of the model; `pipeline.estimator.Estimator` and `streams.batch.BatchEstimator`."""

    def voice(self, samples: np.ndarray) -> Tensor: ...
    def try_run(self, work: Callable[[], T], within_s: float) -> T | None: ...


class _Late(Exception):
    """Nobody waits for this one any more."""


def snapshot_every_s(config: Config) -> float:
    """How often the ears of a live session show what they hear of an open utterance, for words and voice."""
    live = config.live
    if config.voice.text_only or live.partial_emotion_budget_ms == 0:
        return live.partial_every_s
    return min(live.partial_every_s, live.partial_emotion_every_s)


class Every:
    """At most one in `seconds` of source audio for each utterance."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last_s: dict[str, float] = {}

    def due(self, speech: Speech) -> bool:
        """Whether it is time again; if so, it counts as done."""
        last_s = self._last_s.get(speech.utterance_id)
        if last_s is not None and 0 <= speech.t_s - last_s < self._seconds - _ROUNDING_S:
            return False
        # As many as speak at once; ids of utterances that are over go when others come.
        self._last_s = {k: t_s for k, t_s in self._last_s.items() if speech.t_s - t_s < 60.0}
        self._last_s[speech.utterance_id] = speech.t_s
        return True


class PartialEstimates:
    """`estimate(speech, dialogue)` while an utterance goes on; `learn` from finals how fast the voice is encoded.

    Both are for the processor's thread.
    """

    def __init__(self, config: Config, estimator: TriesVoices) -> None:
        self._estimator = estimator
        self._budget_s = config.live.partial_emotion_budget_ms / 1000
        self._voice = config.voice
        self._off = self._voice.text_only or self._budget_s == 0
        self._every = Every(config.live.partial_emotion_every_s)
        endpoint = config.endpoint
        # What is shorter may still turn out to be a cough, and then nothing comes of its utterance.
        self._least_s = endpoint.min_utterance_s + endpoint.hangover_ms / 1000
        self._longest = round(config.live.partial_emotion_last_s * SAMPLE_RATE_HZ)
        self._rtf = 0.0  # seconds that encoding a second of audio takes

    def estimate(self, speech: Speech, dialogue: Dialogue, *, among: int = 1) -> EmotionEvent | None:
        """The estimate so far, or None: not due, too dear, or there was none in time. among: so many conversations
        share the time that it may take."""
        heard_s = speech.t_s - speech.start_s
        samples = speech.samples[-self._longest :]
        length_s = len(samples) / SAMPLE_RATE_HZ
        if self._off or not self._voice.includes(speech.speaker):
            return None
        if heard_s < self._least_s or length_s * self._rtf * among > self._budget_s:
            return None
        if not self._every.due(speech):
            return None
        began = perf_counter()
        try:
            voice = self._run(lambda: self._estimator.voice(samples))
            estimate = dialogue.partial(
                speech.utterance_id, voice, Cues(duration_s=heard_s), self._run, speaker=speech.speaker
            )
        except (_Late, ArithmeticError):
            return None
        finally:
            self._rtf = (perf_counter() - began) / length_s
        return estimate

    def learn(self, length_s: float, took_s: float) -> None:
        """A final of `length_s` was encoded in `took_s`: faster than thought counts, so that a machine that was busy
        for a moment is tried again."""
        if length_s > 0:
            self._rtf = min(self._rtf, took_s / length_s)

    def _run(self, work: Callable[[], T]) -> T:
        found = self._estimator.try_run(work, _WITHIN_S)
        if found is None:
            raise _Late
        return found
