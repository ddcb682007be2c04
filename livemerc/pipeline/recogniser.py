"""The recogniser at arm's length: one that fails, hangs or is too slow costs words, never the session."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from livemerc.asr.engine import AsrEngine, Following, GpuMemoryError, Interruptible, Transcript
from livemerc.asr.screening import screen
from livemerc.asr.select import engine_on_cpu, fastest_engine
from livemerc.asr.voice import WithVoice, gives_voice, like, with_voice
from livemerc.audio.items import Utterance
from livemerc.config import SAMPLE_RATE_HZ, Config
from livemerc.errors import LivemercError, ModelError
from livemerc.model.whisper_identity import WhisperIdentity
from livemerc.runtime.worker import GiveUp, Job, Worker, never

FAILED = "recogniser failed"
HUNG = "recogniser does not answer"
BEHIND = "behind: words later"
STOPPED = "stopped before it was transcribed"

_AT_ONCE_S = 0.05
_WORDS_ALONE = "behind: a faster Whisper than the checkpoint's, so the words alone are judged"
_TWICE = "many utterances need Whisper's full window after all: leave --asr-window at full"
_TWICE_OF = 8  # utterances
_TWICE_SHARE = 0.25  # a short look and then a full one: beyond this it is no gain, and a sign of the wrong model
_RATED_S = 1.0
"""Less audio than this tells little about the recogniser's pace."""
_LITTLE_S = 0.2
_TRY_EVERY_S = 10.0
"""After late words: how long only words are sought that may come in time."""

Tell = Callable[[str, str | None], None]


@dataclass(frozen=True, slots=True)
class Heard:
    """Words of one utterance, screened; `transcript.gated` says why there are none."""

    transcript: Transcript
    engine: str
    model: str | None
    took_s: float


@dataclass(frozen=True, slots=True)
class _Sought:
    """Words that are being sought, and of how much audio that was not heard before."""

    utterance: Utterance
    job: Job[Heard]
    unheard_s: float


class Words:
    """Transcribes on a thread of its own. `notice(key, sentence | None)` tells what is wrong and when it is well again.

    `failure` is set once the recogniser has failed `live.failures_in_a_row` times: then nothing is asked of it any
    more.
    """

    def __init__(
        self,
        asr: AsrEngine,
        config: Config,
        *,
        languages: Collection[str] | None = None,
        notice: Tell = lambda key, sentence: None,
    ) -> None:
        self.asr = asr
        self.failure: LivemercError | None = None
        self.lag_s = 0.0
        self._config = config
        self._languages = languages
        self._notice = notice
        self._encodes = False
        self._worker = Worker("livemerc-asr")
        self._fast: AsrEngine | None = None
        self._fast_sought = False
        self._failures = 0
        self._pace = 0.1  # seconds it takes for a second of audio
        self._late: _Sought | None = None
        self._come: deque[_Sought] = deque()
        self._tried_s = 0.0
        self._looked: deque[bool] = deque(maxlen=_TWICE_OF)  # whether a second, full look was needed
        self.second_passes = 0
        """Utterances for which a Whisper's short window (`asr.window` adaptive) was not enough."""
        self._waiting: deque[Utterance] = deque()  # pruned to those whose label is open: `dialogue.revise` at most

    def bring_voice(self, identity: WhisperIdentity, give_up: GiveUp = never) -> str | None:
        """From now on transcripts bring the voice's encoding by that Whisper, or none: never another's. None when it is
        so, else why nobody waited for it. Raises `ModelError` where the recogniser is another Whisper, or that one is
        not here."""
        job = self._worker.start(lambda: with_voice(self.asr, identity, self._config))
        reason = job.wait(give_up)
        if reason is None:
            self.asr, self._encodes = job.result(), True
        return reason

    # -- now -------------------------------------------------------------------------------------------------------

    def hear(self, utterance: Utterance, *, fast: bool, give_up: GiveUp) -> Heard:
        """The words, or none and the reason. Words that were given up on while they were sought may come by `late`."""
        if self.failure is not None:
            return self._nothing(FAILED)
        if give_up(0.0) == STOPPED:  # nor is the little time wasted on asking
            return self._nothing(STOPPED)
        reason = self._worker.until_free(give_up)
        if reason is None and self._expected_s(utterance) > _AT_ONCE_S and give_up(0.0) == BEHIND:
            reason = BEHIND  # nobody would wait: whether it is worth beginning is for `late` to say
        if reason is not None:
            if reason != STOPPED:
                self._waiting.append(utterance)
            return self._nothing(reason)
        self._collect()
        sought = self._seek(utterance, fast)
        reason = sought.job.wait(give_up)
        if reason is not None:
            self._late = sought
            return self._nothing(reason)
        return self._outcome(sought)

    @property
    def following(self) -> bool:
        """Whether the recogniser is one that decodes while people speak."""
        return isinstance(self.asr, Following)

    def follow(self, samples: np.ndarray, *, give_up: GiveUp) -> bool:
        """Lets a recogniser that decodes while people speak go on, with `samples` that an utterance begins with.
        Whether hardly anything of them is left to do when it ends. A failure counts for nothing: the final will say."""
        asr = self.asr
        if not isinstance(asr, Following) or not asr.follows(samples):
            return False
        unheard_s = asr.unheard_s(samples)
        if unheard_s > 0 and self.failure is None and not self._worker.busy and not self.owed:
            job = self._worker.start(lambda: asr.follow(samples))
            if job.wait(give_up) is not None:
                return False
            left_s = asr.unheard_s(samples)
            if left_s < unheard_s:  # it may be with another speaker
                self._learn_pace(unheard_s - left_s, job.ran_s)
            unheard_s = left_s
        return unheard_s < _LITTLE_S

    def partial(self, samples: np.ndarray, *, budget_s: float, give_up: GiveUp) -> str:
        """A hypothesis, if it can be had within the budget: whatever it takes, a final may have to wait for it."""
        length_s = self._unheard_s(samples)
        if self.failure is not None or self._worker.busy or length_s * self._pace > budget_s:
            return ""
        job = self._worker.start(lambda: self.asr.partial(samples))
        if job.wait(give_up) is not None:
            self._learn_pace(length_s, job.ran_s)
            return ""
        took_s = job.ran_s
        try:
            text = job.result()
        except Exception as error:  # noqa: BLE001 - the boundary of a part: the final will say whether it is broken
            self._notice("asr", self._failed(error))
            return ""
        if text or not self.following:  # one that is with another speaker answers at once
            self._learn_pace(length_s, took_s)
        return text

    def ahead(self, utterance: Utterance, *, budget_s: float, give_up: GiveUp) -> Heard | None:
        """The words of an utterance that has perhaps ended, if nothing else is sought and they can be had within the
        budget; they are those that `hear` would give. A failure counts for nothing: the final will say."""
        if self.failure is not None or self.owed or self._worker.busy or not getattr(self.asr, "repeatable", False):
            return None
        if self._expected_s(utterance) > budget_s:
            return None
        length_s = self._unheard_s(utterance.samples)
        job = self._worker.start(lambda: self._transcribe(utterance, fast=False))
        reason = job.wait(give_up)
        self._learn_pace(length_s, job.ran_s)
        if reason is not None:
            return None
        try:
            return job.result()
        except Exception:  # noqa: BLE001 - the boundary of a part: asked again for the final, which tells what is wrong
            return None

    # -- later -----------------------------------------------------------------------------------------------------

    @property
    def owed(self) -> bool:
        """Whether words are being sought, or wait to be, that nobody waits for."""
        return self._late is not None or bool(self._come) or bool(self._waiting)

    @property
    def seeking(self) -> Utterance | None:
        """The utterance whose words are being sought that nobody waits for."""
        return None if self._late is None else self._late.utterance

    def late(
        self, wanted: Callable[[Utterance], bool], *, open_for_s: float, fast: bool
    ) -> tuple[Utterance, Heard] | None:
        """Words that have come since, if any; then the newest wanted utterance is begun whose words may come within
        `open_for_s`. Once in a while one is begun whatever it takes: the recogniser may have recovered. Never waits."""
        self._collect()
        found = None
        if self._come:
            sought = self._come.popleft()
            self._tried_s = time.monotonic()
            found = sought.utterance, self._outcome(sought)
        self._waiting = deque(utterance for utterance in self._waiting if wanted(utterance))
        if self._late is None and self._waiting and self.failure is None and not self._worker.busy:
            now_s = time.monotonic()
            in_time = [utterance for utterance in self._waiting if self._expected_s(utterance) <= open_for_s]
            if in_time or now_s - self._tried_s >= _TRY_EVERY_S:
                # the newest stays open for longest; of those that will hardly be in time the shortest tells soonest
                chosen = in_time[-1] if in_time else min(self._waiting, key=self._expected_s)
                self._waiting.remove(chosen)
                self._late = self._seek(chosen, fast)
        if not self.hangs:
            self._notice("asr hangs", None)
        return found

    def _collect(self) -> None:
        if self._late is not None and self._late.job.done:
            self._come.append(self._late)
            self._late = None

    def wait(self, give_up: GiveUp) -> str | None:
        """Waits for the words that are being sought."""
        return None if self._late is None else self._late.job.wait(give_up)

    @property
    def hangs(self) -> bool:
        """Whether a call has run for longer than `asr.time_limit_s`."""
        return self._worker.ran_s > self._config.asr.time_limit_s

    def tell_hang(self) -> None:
        """Tells of a call that has run too long, and ends it if the engine can."""
        self._notice(
            "asr hangs",
            f"the recogniser has not answered for over {self._config.asr.time_limit_s:.0f} s: "
            + ("no labels until it does" if self._encodes else "judging by the voice alone until it does"),
        )
        self._interrupt()

    def _interrupt(self) -> None:
        for engine in (self.asr, self._fast):
            if isinstance(engine, Interruptible):
                engine.interrupt()

    def close(self) -> None:
        """Lets go of the engines; a call that cannot be ended is left to itself."""
        if self._worker.busy:
            self._interrupt()
        else:
            self.asr.close()
            if self._fast is not None:
                self._fast.close()
        self._worker.close()

    # -- in the worker's thread ------------------------------------------------------------------------------------

    def _transcribe(self, utterance: Utterance, fast: bool) -> Heard:
        began = time.perf_counter()
        engine = self._engine(fast)
        try:
            transcript = engine.transcribe(utterance)
        except GpuMemoryError:
            engine = self._on_cpu(engine)
            transcript = engine.transcribe(utterance)
        self._count_looks(transcript)
        if self._encodes:
            self._notice("voice", None if gives_voice(engine) else _WORDS_ALONE)
        given = engine.engine == "transcript"  # a person wrote these words: nothing was hallucinated
        transcript = screen(
            transcript, utterance, self._config.screening, words_are_given=given,
            languages=self._languages, spoken=self._config.asr.language,
        )  # fmt: skip
        return Heard(transcript, engine.engine, engine.model, time.perf_counter() - began)

    def _count_looks(self, transcript: Transcript) -> None:
        if self._config.asr.window != "adaptive":
            return
        self.second_passes += transcript.second_pass is not None
        self._looked.append(transcript.second_pass is not None)
        often = len(self._looked) == _TWICE_OF and sum(self._looked) > _TWICE_SHARE * _TWICE_OF
        self._notice("asr window", _TWICE if often else None)

    def _engine(self, fast: bool) -> AsrEngine:
        if not fast:
            return self.asr
        if not self._fast_sought:
            self._fast_sought = True
            words = self.asr.words if isinstance(self.asr, WithVoice) else self.asr
            found = fastest_engine(words, self._config)
            self._fast = None if found is None else like(self.asr, found)
        return self._fast or self.asr

    def _on_cpu(self, engine: AsrEngine) -> AsrEngine:
        full = engine.encoder if isinstance(engine, WithVoice) else engine  # beside it only the encoder uses the GPU
        moved = engine_on_cpu(full, self._config)
        if isinstance(engine, WithVoice):
            for one in (self.asr, self._fast):
                if isinstance(one, WithVoice):
                    one.encoder = moved
        elif engine is self._fast:
            self._fast = moved
        else:
            self.asr = moved
        full.close()
        self._notice("asr on cpu", "the GPU's memory is full: the recogniser runs on the CPU")
        return engine if isinstance(engine, WithVoice) else moved

    # -- outcome ---------------------------------------------------------------------------------------------------

    def _seek(self, utterance: Utterance, fast: bool) -> _Sought:
        fast = fast and self._unheard_s(utterance.samples) > _RATED_S  # else nothing is faster than to go on
        unheard_s = self._unheard_s(utterance.samples, fast)
        return _Sought(utterance, self._worker.start(lambda: self._transcribe(utterance, fast)), unheard_s)

    def _outcome(self, sought: _Sought) -> Heard:
        self._learn_pace(sought.unheard_s, sought.job.ran_s)
        try:
            heard = sought.job.result()
        except Exception as error:  # noqa: BLE001 - the boundary of a part: native libraries, each with its own errors
            self._failures += 1
            self._notice("asr", self._failed(error))
            if self._failures >= self._config.live.failures_in_a_row and self.failure is None:
                self.failure = _broken(error, self._failures)
                self._waiting.clear()
            return self._nothing(FAILED)
        if self._failures:
            self._failures = 0
        self._notice("asr", None)
        return heard

    def _nothing(self, reason: str) -> Heard:
        return Heard(Transcript(text="", gated=reason), self.asr.engine, self.asr.model, 0.0)

    def _failed(self, error: BaseException) -> str:
        left = "no label" if self._encodes else "judged by the voice alone"
        return f"the recogniser failed ({_what(error)}): {left}"

    def _expected_s(self, utterance: Utterance) -> float:
        return self._pace * self._unheard_s(utterance.samples)

    def _unheard_s(self, samples: np.ndarray, fast: bool = False) -> float:
        """Seconds of audio that the recogniser has to hear for the words of `samples`."""
        asr = self.asr
        another = fast and (self._fast is not None or not self._fast_sought)  # which has followed nothing
        return asr.unheard_s(samples) if isinstance(asr, Following) and not another else len(samples) / SAMPLE_RATE_HZ

    def _learn_pace(self, length_s: float, took_s: float) -> None:
        """Slower than thought counts half, faster at once: an estimate that is too low is soon found out."""
        if length_s < _RATED_S and isinstance(self.asr, Following) and took_s <= self._pace * _RATED_S:
            return  # what was left of an utterance tells nothing about a whole one
        pace = took_s / max(length_s, 0.1)
        self._pace = min(pace, (self._pace + pace) / 2)


def _what(error: BaseException) -> str:
    lines = str(error).split("\n", 1)
    return f"{type(error).__name__}: {lines[0]}".rstrip(": .") if lines[0] else type(error).__name__


def _broken(error: BaseException, times: int) -> LivemercError:
    if isinstance(error, ModelError):
        return error
    return LivemercError(
        f"the recogniser failed on {times} utterances in a row ({_what(error)}); what was heard before is kept. "
        "Run `livemerc doctor`, or choose another --asr or --model."
    )
