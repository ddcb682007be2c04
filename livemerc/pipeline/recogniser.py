"""The recogniser at arm's length: one that fails, hangs or is too slow costs words, never the session."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from livemerc.asr.engine import (
    AsrEngine,
    FollowsCues,
    GpuMemoryError,
    Interruptible,
    ListensFor,
    Transcript,
    is_repeatable,
)
from livemerc.asr.screening import Talk, doubts_english, screen
from livemerc.asr.select import engine_on_cpu, fastest_engine
from livemerc.audio.items import Utterance
from livemerc.config import SAMPLE_RATE_HZ, Config
from livemerc.errors import LivemercError, ModelError
from livemerc.events import UtteranceFinal
from livemerc.notation import words
from livemerc.pipeline.late_words import Call, LateWords
from livemerc.pipeline.no_answer import GATED, NoAnswer
from livemerc.pipeline.pace import Pace
from livemerc.runtime.notices import Notice, Tell, tell_nobody
from livemerc.runtime.worker import GiveUp, Worker

_AT_ONCE_S = 0.05
"""Words that take no longer are waited for even where the session is behind."""
_TWICE = "most utterances need Whisper's full window after all: choose --asr-window full"
_TWICE_OF = 8  # utterances
_TWICE_SHARE = 0.75
"""A short look takes a fifth of a full one: beyond this it is no gain, and a sign of the wrong model."""
_ANOTHER_LANGUAGE = (
    "much of this does not sound like English, and this Whisper knows nothing else: for another language take a "
    "multilingual one (`livemerc models pull small`, --model small), for English say --language en"
)
_DOUBTED_OF = 8  # utterances of two words or more
_DOUBTED_SHARE = 0.5  # of real English a twentieth, of other languages three quarters and more (docs/screening.md)


@dataclass(frozen=True, slots=True)
class Heard:
    """Words of one utterance, screened; `transcript.gated` says why there are none."""

    transcript: Transcript
    engine: str
    model: str | None
    took_s: float

    @property
    def words(self) -> str:
        """What the model reads: screened text never reaches it, nor the context of later utterances."""
        return "" if self.transcript.gated else self.transcript.text.strip()


class Recogniser:
    """Transcribes on a thread of its own. `tell` says what is wrong, and when it is well again.

    `failure` is set once the engine has failed `live.failures_in_a_row` times: then nothing is asked of it any more.
    All methods are for one thread.
    """

    def __init__(
        self,
        engine: AsrEngine,
        config: Config,
        *,
        languages: Collection[str] | None = None,
        tell: Tell = tell_nobody,
    ) -> None:
        self.engine = engine
        self.failure: LivemercError | None = None
        self.second_passes = 0
        """Utterances for which a Whisper's short window (`asr.window`) was not enough."""
        self.talk = Talk()
        """Of the conversation in hand; whoever shares a recogniser among several sets theirs before each call."""
        self.language = config.asr.language
        """What is spoken in it, likewise; None = unknown."""
        self._config = config
        self._languages = languages
        self._tell = tell
        self._worker = Worker("livemerc-asr")
        self._fast: AsrEngine | None = None
        self._fast_sought = False
        self._failures = 0
        self._pace = Pace()
        self._late: LateWords[Heard] = LateWords(self._utterance_s, config.overload.retry_words_every_s)
        self._looked: deque[bool] = deque(maxlen=_TWICE_OF)  # whether a second, full look was needed
        self._recalled: dict[str, Transcript] = {}
        self._doubted: deque[bool] = deque(maxlen=_DOUBTED_OF)  # whether text is probably not English

    def recall(self, finals: Sequence[UtteranceFinal], context: int) -> None:
        """What was said before the session goes on. The last `context` will be heard again: their words are those."""
        for final in finals:
            if isinstance(self.engine, FollowsCues):  # its cues are given in their order, each once
                self.engine.transcribe(without_samples(final, self._config))
        self._recalled = {
            final.utterance_id: Transcript(
                final.text, confidence=final.asr.confidence, speaker=final.speaker, gated=final.asr.gated
            )
            for final in finals[-context:]
        }

    # -- now -------------------------------------------------------------------------------------------------------

    def hear(self, utterance: Utterance, *, fast: bool, give_up: GiveUp[NoAnswer]) -> Heard:
        """The words, or none and the reason. `take_late` may bring those that were given up on."""
        if (recalled := self._recalled.pop(utterance.utterance_id, None)) is not None:
            self.talk.heard(utterance, recalled, self._config.screening)
            return Heard(recalled, self.engine.engine, self.engine.model, 0.0)
        if self.failure is not None:
            return self._nothing(NoAnswer.FAILED)
        if give_up(0.0) is NoAnswer.STOPPED:  # nor is the little time wasted on asking
            return self._nothing(NoAnswer.STOPPED)
        reason = self._worker.until_free(give_up)
        if reason is None and self.expected_s(utterance.samples) > _AT_ONCE_S and give_up(0.0) is NoAnswer.BEHIND:
            reason = NoAnswer.BEHIND  # nobody would wait: `begin_late` decides whether it is worth beginning
        if reason is not None:
            if reason is not NoAnswer.STOPPED:
                self._late.put_off(utterance)
            return self._nothing(reason)
        self._late.collect()
        call = self._begin(utterance, fast)
        reason = call.job.wait(give_up)
        if reason is not None:
            self._late.keep(call)
            return self._nothing(reason)
        return self._outcome(call)

    def not_asked(self, gated: str) -> Heard:
        """No words, and why nobody asked for them."""
        return Heard(Transcript(text="", gated=gated), self.engine.engine, self.engine.model, 0.0)

    def expected_s(self, samples: np.ndarray) -> float:
        """How long the words of `samples` will probably take, as things go."""
        return self._pace.expected_s(len(samples) / SAMPLE_RATE_HZ)

    def partial(self, samples: np.ndarray, *, budget_s: float, give_up: GiveUp[NoAnswer]) -> str:
        """A hypothesis, if it can be had within the budget: whatever it takes, a final may have to wait for it."""
        length_s = len(samples) / SAMPLE_RATE_HZ
        if self.failure is not None or self._worker.busy or self.expected_s(samples) > budget_s:
            return ""
        job = self._worker.start(partial(self._partial, samples, self.language))
        if job.wait(give_up) is not None:
            self._pace.learn(length_s, job.ran_s)
            return ""
        took_s = job.ran_s
        try:
            text = job.result()
        except Exception as error:  # noqa: BLE001 - the boundary of a part: the final will say whether it is broken
            self._tell(Notice.ASR_FAILED, self._failed(error))
            return ""
        self._pace.learn(length_s, took_s)
        return text

    def speculate(self, utterance: Utterance, *, budget_s: float, give_up: GiveUp[NoAnswer]) -> Heard | None:
        """The words of an utterance that has perhaps ended, if nothing else is sought and they can be had within the
        budget; they are those that `hear` would give. A failure counts for nothing: the final will say."""
        if self.failure is not None or self.pending or self._worker.busy or not is_repeatable(self.engine):
            return None
        if self.expected_s(utterance.samples) > budget_s:
            return None
        length_s = _length_s(utterance)
        job = self._worker.start(partial(self._transcribe, utterance, False, self.language))
        reason = job.wait(give_up)
        self._pace.learn(length_s, job.ran_s)
        if reason is not None:
            return None
        try:
            return job.result()
        except Exception:  # noqa: BLE001 - the boundary of a part: asked again for the final, which tells what is wrong
            return None

    # -- later -----------------------------------------------------------------------------------------------------

    @property
    def pending(self) -> bool:
        """Whether words are being sought, or wait to be, that nobody waits for."""
        return self._late.pending

    @property
    def pending_utterance(self) -> Utterance | None:
        """The utterance whose words are being sought that nobody waits for."""
        return None if self._late.call is None else self._late.call.utterance

    def take_late(self) -> tuple[Utterance, Heard] | None:
        """Words that have come since nobody waited for them. Never waits."""
        call = self._late.take()
        return None if call is None else (call.utterance, self._outcome(call))

    def begin_late(self, wanted: Callable[[Utterance], bool], *, open_for_s: float, fast: bool) -> None:
        """Begins the words of one utterance that waits for them, if the recogniser is free: see `LateWords.choose`."""
        self._late.prune(wanted)
        if self.failure is None and not self._worker.busy:
            utterance = self._late.choose(open_for_s)
            if utterance is not None:
                self._late.keep(self._begin(utterance, fast))

    def forget_late(self) -> None:
        """Drops words that came too late, and those that wait to be sought: nobody wants them."""
        self.take_late()
        self._late.prune(lambda _: False)

    def wait(self, give_up: GiveUp[NoAnswer]) -> NoAnswer | None:
        """Waits for the late words in progress. None when they are there, or where there are none."""
        return None if self._late.call is None else self._late.call.job.wait(give_up)

    @property
    def hangs(self) -> bool:
        """Whether a call has run for longer than `asr.time_limit_s`."""
        return self._worker.ran_s > self._config.asr.time_limit_s

    def tell_hang(self) -> None:
        """Tells of a call that has run too long, and ends it if the engine can."""
        self._tell(
            Notice.ASR_HANGS,
            f"the recogniser has not answered for over {self._config.asr.time_limit_s:.0f} s: "
            "judging by the voice alone until it does",
        )
        self._interrupt()

    def tell_recovery(self) -> None:
        """Takes back what `tell_hang` told, once the call has come back."""
        if not self.hangs:
            self._tell(Notice.ASR_HANGS, None)

    def close(self) -> None:
        """Lets go of the engines; a call that cannot be ended is left to itself."""
        if self._worker.busy:
            self._interrupt()
        else:
            self.engine.close()
            if self._fast is not None:
                self._fast.close()
        self._worker.close()

    def _interrupt(self) -> None:
        for engine in (self.engine, self._fast):
            if isinstance(engine, Interruptible):
                engine.interrupt()

    # -- in the worker's thread ------------------------------------------------------------------------------------

    def _partial(self, samples: np.ndarray, language: str | None) -> str:
        _listen_for(self.engine, language)
        return self.engine.partial(samples)

    def _transcribe(self, utterance: Utterance, fast: bool, language: str | None) -> Heard:
        began = time.perf_counter()
        engine = self._engine_for(fast)
        _listen_for(engine, language)
        try:
            transcript = engine.transcribe(utterance)
        except GpuMemoryError:
            engine = self._on_cpu(engine)
            _listen_for(engine, language)
            transcript = engine.transcribe(utterance)
        self._count_looks(transcript)
        self._count_doubts(transcript, utterance, language)
        given = engine.engine == "transcript"  # a person wrote these words: nothing was hallucinated
        transcript = screen(
            transcript, utterance, self._config.screening, words_are_given=given,
            languages=self._languages, spoken=language, amid_talk=self.talk.near(utterance),
        )  # fmt: skip
        self.talk.heard(utterance, transcript, self._config.screening)
        return Heard(transcript, engine.engine, engine.model, time.perf_counter() - began)

    def _count_looks(self, transcript: Transcript) -> None:
        if self._config.asr.window == "full":
            return
        self.second_passes += transcript.second_pass is not None
        self._looked.append(transcript.second_pass is not None)
        often = len(self._looked) == _TWICE_OF and sum(self._looked) > _TWICE_SHARE * _TWICE_OF
        self._tell(Notice.ASR_WINDOW, _TWICE if often else None)

    def _count_doubts(self, transcript: Transcript, utterance: Utterance, language: str | None) -> None:
        """Tells of another language where an English-only Whisper, of which nobody has said that English is spoken,
        is hardly ever sure."""
        english_only = transcript.mean_log_probability is not None and transcript.language_probabilities is None
        if language is not None or not english_only or len(words(transcript.text)) < 2:
            return
        voiced_s = utterance.end_s - utterance.start_s
        self._doubted.append(doubts_english(transcript, voiced_s, self._config.screening))
        often = len(self._doubted) == _DOUBTED_OF and sum(self._doubted) > _DOUBTED_SHARE * _DOUBTED_OF
        self._tell(Notice.ASR_LANGUAGE, _ANOTHER_LANGUAGE if often else None)

    def _engine_for(self, fast: bool) -> AsrEngine:
        if not fast:
            return self.engine
        if not self._fast_sought:
            self._fast_sought = True
            self._fast = fastest_engine(self.engine, self._config)
        return self._fast or self.engine

    def _on_cpu(self, engine: AsrEngine) -> AsrEngine:
        moved = engine_on_cpu(engine, self._config)
        if engine is self._fast:
            self._fast = moved
        else:
            self.engine = moved
        engine.close()
        self._tell(Notice.ASR_ON_CPU, "the GPU's memory is full: the recogniser runs on the CPU")
        return moved

    # -- outcome ---------------------------------------------------------------------------------------------------

    def _begin(self, utterance: Utterance, fast: bool) -> Call[Heard]:
        return Call(utterance, self._worker.start(partial(self._transcribe, utterance, fast, self.language)))

    def _outcome(self, call: Call[Heard]) -> Heard:
        self._pace.learn(_length_s(call.utterance), call.job.ran_s)
        try:
            heard = call.job.result()
        except Exception as error:  # noqa: BLE001 - the boundary of a part: native libraries, each with its own errors
            self._failures += 1
            self._tell(Notice.ASR_FAILED, self._failed(error))
            if self._failures >= self._config.live.failures_in_a_row and self.failure is None:
                self.failure = _broken(error, self._failures)
                self._late.prune(lambda _: False)
            return self._nothing(NoAnswer.FAILED)
        self._failures = 0
        self._tell(Notice.ASR_FAILED, None)
        return heard

    def _nothing(self, reason: NoAnswer) -> Heard:
        return self.not_asked(GATED[reason])

    def _failed(self, error: BaseException) -> str:
        return f"the recogniser failed ({_what(error)}): judged by the voice alone"

    def _utterance_s(self, utterance: Utterance) -> float:
        return self.expected_s(utterance.samples)


def _listen_for(engine: AsrEngine, language: str | None) -> None:
    if isinstance(engine, ListensFor):
        engine.language = language


def without_samples(final: UtteranceFinal, config: Config) -> Utterance:
    """The utterance of a final, of which only the times are known."""
    return Utterance(
        utterance_id=final.utterance_id,
        samples=np.zeros(0, np.float32),
        samples_start_s=max(0.0, final.start_s - config.endpoint.pre_roll_ms / 1000),
        start_s=final.start_s,
        end_s=final.end_s,
        decided_s=final.end_s + config.endpoint.hangover_ms / 1000,
        forced_cut=False,
    )


def _length_s(utterance: Utterance) -> float:
    return len(utterance.samples) / SAMPLE_RATE_HZ


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
