"""ASR, screening, encoders, dialogue: what happens to one endpointed utterance. One thread runs this: no locks.

Recogniser and model each run at arm's length (`recogniser`, `estimator`): whatever becomes of them, every utterance
gets its final, its first estimate and its frozen one.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

import msgspec

from livemerc.audio.echo import Echoes, EchoWatch
from livemerc.audio.items import EarItem, Ending, Quiet, Recalled, Speech, Utterance
from livemerc.config import SAMPLE_RATE_HZ, Config
from livemerc.errors import LivemercError
from livemerc.events import (
    ECHO,
    EmotionEvent,
    Event,
    FinalAsr,
    Timing,
    UtteranceFinal,
    UtterancePartial,
    UtteranceSpeaker,
)
from livemerc.pipeline.abstention import Cues, Doubt, unjudged_estimate
from livemerc.pipeline.estimator import Estimator, Unjudged
from livemerc.pipeline.hypotheses import Hypotheses
from livemerc.pipeline.no_answer import NoAnswer
from livemerc.pipeline.overload import Level
from livemerc.pipeline.partials import PartialEstimates
from livemerc.pipeline.patience import Patience, Situation
from livemerc.pipeline.recogniser import Heard, Recogniser
from livemerc.pipeline.spacing import Spacing
from livemerc.pipeline.speculation import Rows, Speculated, Speculation
from livemerc.pipeline.who_speaks import WhoSpeaks
from livemerc.runtime.notices import Notice

if TYPE_CHECKING:
    import numpy as np

    from livemerc.pipeline.dialogue import Dialogue

T = TypeVar("T")

_ECHO_HEARD = "a microphone hears again what another channel says: that is not judged twice; headphones mend it"
_ECHO_TOLD_S = 30.0
_EXPLAIN_WITHIN_S = 1.0
_SPECULATION_SHARE = 2.0
"""Speculation may take so many times the hangover that is left, or as long as a hypothesis. What takes longer gains
little where the utterance ends, and where it goes on (at a breath it mostly does) the next thing waits for it."""


class Processor:
    """`handle(item)` gives the events of one item of the ears, `catch_up()` what came late, `finish()` the end's.

    dialogue: of `estimator`, loaded; None = the model was not waited for, and utterances get the prior. All methods
    are for one thread.
    """

    def __init__(
        self,
        config: Config,
        recogniser: Recogniser,
        estimator: Estimator,
        dialogue: Dialogue | None,
        situation: Situation,
        who: WhoSpeaks,
    ) -> None:
        self._config = config
        self.who = who
        self._recogniser = recogniser
        self._estimator = estimator
        self._dialogue = dialogue
        self._scope = config.voice
        self._patience = Patience(config, situation, recogniser)
        self._partials = PartialEstimates(config, estimator)
        self._hypotheses = Hypotheses(config.live.partial_every_s)
        self._echoes = EchoWatch(on=config.screening.echo)
        self._tell = situation.tell
        self._echo_told_s: float | None = None
        self._spacing = Spacing()
        self.speculation = Speculation()
        self.utterances = 0

    def warm(self) -> None:
        """Spares the first utterance what the model's first run takes."""
        if self._dialogue is not None:
            self._estimator.warm()

    @property
    def recogniser(self) -> Recogniser:
        return self._recogniser

    @property
    def device(self) -> str:
        return self._estimator.device

    @property
    def labels(self) -> list[str]:
        return list(self._estimator.manifest.labels)

    @property
    def failure(self) -> LivemercError | None:
        """Why the session should end: a part that failed again and again."""
        return self._estimator.failure or self._recogniser.failure

    @property
    def words_pending(self) -> bool:
        """Whether words are still being sought for an utterance that was judged without them."""
        return self._recogniser.pending

    def begin_dialogue(self) -> None:
        """What comes next is another conversation: nothing said so far is its context."""
        self._dialogue = self._estimator.dialogue()
        self.who.begin()

    def handle(self, item: EarItem) -> Iterator[Event]:
        if isinstance(item, Utterance):
            self._spacing.learn(item)
            with self._patience.in_hand(item.decided_s):
                for turn in self.who.turns(item, self._patience.for_label):
                    yield from self._utterance(turn)
        elif isinstance(item, Quiet):
            yield from self._freeze_all()
        elif isinstance(item, Speech):
            yield from self._partial(item)
        elif isinstance(item, Ending):
            with self._patience.in_hand(item.utterance.decided_s):
                yield from self._speculate(item)
        elif isinstance(item, Recalled):
            self._recall(item)

    def catch_up(self) -> Iterator[Event]:
        """Late words and what they revise; also when nothing has happened, a few times a second: lag is measured."""
        config = self._config.dialogue
        yield from self._catch_up(self._spacing.open_for_s(config.revise, config.freeze_after_s))

    def _catch_up(self, open_for_s: float) -> Iterator[Event]:
        self._patience.observe()
        yield from self.who.news(self._dialogue)
        late = self._recogniser.take_late()
        fast = self._patience.level >= Level.FAST_ASR
        self._recogniser.begin_late(self._still_open, open_for_s=open_for_s, fast=fast)
        self._recogniser.tell_recovery()
        if late is not None:
            utterance, heard = late
            self._patience.late_words_came(utterance)
            yield from self._revise(utterance, heard)

    def explain(self) -> Iterator[Event]:
        """Why one settled label shifted, if any waits to be explained: for when nobody waits for a label. A model that
        fails or is busy explains nothing, and no session suffers from that."""
        if self._dialogue is not None:
            shift = self._dialogue.explain(lambda work: self._estimator.try_run(work, _EXPLAIN_WITHIN_S))
            if shift is not None:
                yield shift

    def explain_all(self) -> Iterator[Event]:
        """All of them."""
        while self._dialogue is not None and self._dialogue.unexplained:
            yield from self.explain()

    def finish(self) -> Iterator[Event]:
        """Waits for late words as long as there is time, freezes and explains what is open and lets go of the parts."""
        until_stop = self._patience.until_stop(self._config.asr.time_limit_s)
        while self._recogniser.pending and self._recogniser.failure is None:
            yield from self._catch_up(math.inf)
            if not self._recogniser.pending or self._recogniser.wait(until_stop) is not None:
                break
        yield from self._catch_up(0.0)
        yield from self._freeze_all()
        while self._dialogue is not None and self._dialogue.unexplained and until_stop(0.0) is None:
            yield from self.explain()
        self.speculation.discard()
        self.close()

    def close(self) -> None:
        """Lets go of engine, model and threads; idempotent, never waits for a call that hangs."""
        self._recogniser.close()
        self._estimator.close()

    def _recall(self, item: Recalled) -> None:
        if self._dialogue is None or not self._dialogue.has_baselines:
            return
        with contextlib.suppress(Unjudged):  # the baseline is one voice poorer
            _, voice = self._embed("", item.samples)
            assert voice is not None
            self._dialogue.recall(item.speaker, voice)

    # -- one item --------------------------------------------------------------------------------------------------

    def _partial(self, speech: Speech) -> Iterator[Event]:
        self._patience.observe()
        if self._patience.level >= Level.NO_PARTIALS:
            return
        estimate = None if self._dialogue is None else self._partials.estimate(speech, self._dialogue)
        if estimate is not None:
            yield estimate
        unsettled = self._hypotheses.unsettled(speech)
        if self._hypotheses.due(speech, self._recogniser.expected_s(unsettled)):
            yield from _partial(speech, self._hypotheses.shown(speech, self._look(unsettled)))

    def _look(self, samples: np.ndarray) -> str:
        budget_s = self._config.live.partial_budget_ms / 1000
        return self._recogniser.partial(samples, budget_s=budget_s, give_up=self._patience.for_hypothesis)

    def _speculate(self, ending: Ending) -> Iterator[Event]:
        """While the hangover runs: words and encodings of what will be final if nobody says more; where that would take
        too long, a look at what was said since the last pause. The words are shown."""
        utterance = ending.utterance
        self.speculation.discard()
        self._patience.observe()
        if self._dialogue is None or self._patience.level > Level.WELL:
            return
        live = self._config.live
        worth_s = max(_SPECULATION_SHARE * ending.left_s, live.partial_budget_ms / 1000)
        budget_s = min(live.ahead_budget_ms / 1000, worth_s)
        if self._recogniser.expected_s(utterance.samples) > budget_s:
            heard_so_far = self._look(self._hypotheses.unsettled(utterance))
            yield from _partial(utterance, self._hypotheses.pause(utterance, heard_so_far, whole=False))
            return
        began = time.perf_counter()
        heard = self._recogniser.speculate(utterance, budget_s=budget_s, give_up=self._patience.for_words)
        recognised = time.perf_counter()
        if heard is None:
            self.speculation.wasted_s += recognised - began
            return
        shown = "" if heard.transcript.gated else heard.transcript.text
        yield from _partial(utterance, self._hypotheses.pause(utterance, shown, whole=True))
        rows = None
        if not heard.transcript.no_speech:
            with contextlib.suppress(Unjudged):  # then it is tried again for the final
                rows = self._embed(heard.words, self._voice(utterance, heard))
            self.who.prepare(utterance, self._patience.for_label)
        encode_ms = (time.perf_counter() - recognised) * 1000
        self.speculation.keep(Speculated(utterance, heard, rows, (recognised - began) * 1000, encode_ms))

    def _utterance(self, utterance: Utterance) -> Iterator[Event]:
        self._patience.observe()
        echoes = self._echoes.hear(utterance)
        yield from self._without_echoes(utterance, echoes)
        began = time.perf_counter()
        found = None if echoes.is_echo else self.speculation.take(utterance)
        if echoes.is_echo:
            self.speculation.discard()
            heard, asr_ms = self._recogniser.not_asked(ECHO), 0.0
        elif found is None:
            fast = self._patience.level >= Level.FAST_ASR
            heard = self._recogniser.hear(utterance, fast=fast, give_up=self._patience.for_words)
            asr_ms = (time.perf_counter() - began) * 1000
        else:
            heard, asr_ms = found.heard, found.asr_ms
        if not echoes.is_echo:
            echoes = self._echoes.read(utterance, heard.words)
            yield from self._without_echoes(utterance, echoes)
            if echoes.is_echo:
                heard = self._recogniser.not_asked(ECHO)
        self.utterances += 1
        transcript = heard.transcript
        voice = None if transcript.no_speech or utterance.speaker else self._voice(utterance, heard)
        who = self.who.hear(utterance.utterance_id, voice, _speaker(utterance, heard), self._patience.for_label)
        yield UtteranceFinal(
            utterance_id=utterance.utterance_id,
            start_s=utterance.start_s,
            end_s=utterance.end_s,
            text=transcript.text,
            speaker=who.speaker,
            asr=FinalAsr(
                engine=heard.engine, model=heard.model, confidence=transcript.confidence, gated=transcript.gated
            ),
            overlaps=who.overlaps,
        )
        yield from self._attributed(who.told)
        timing = Timing(endpoint_wait_ms=(utterance.decided_s - utterance.end_s) * 1000, asr_ms=asr_ms)
        for estimate, timed in self._estimates(utterance, heard, timing, found, who.speaker):
            own = estimate.utterance_id == utterance.utterance_id and estimate.status == "provisional"
            if own and timed.encode_ms is not None:
                self._partials.learn(len(utterance.samples) / SAMPLE_RATE_HZ, timed.encode_ms / 1000)
            yield msgspec.structs.replace(estimate, timing=timed) if own else estimate

    def _attributed(self, told: list[UtteranceSpeaker]) -> Iterator[Event]:
        """Who said what, and what that revises: a voice is judged against another baseline then."""
        for one in told:
            yield one
            if one.status == "revised" and self._dialogue is not None and self._dialogue.is_open(one.utterance_id):
                with contextlib.suppress(Unjudged):  # it stays as it was judged
                    yield from self._dialogue.set_speaker(one.utterance_id, one.speaker, self._run, settled=False)
        yield from self.who.news(self._dialogue)

    def _without_echoes(self, utterance: Utterance, echoes: Echoes) -> Iterator[Event]:
        """Takes earlier ones that turn out to be echoes out of the conversation. Tells it once in a session, for a
        while."""
        for earlier in echoes.earlier:
            if self._dialogue is not None and self._dialogue.is_open(earlier):
                yield from self._dialogue.withdraw(earlier, Doubt.ECHO)
        if echoes.is_echo or echoes.earlier:
            if self._echo_told_s is None:
                self._echo_told_s = utterance.decided_s
                self._tell(Notice.ECHO, _ECHO_HEARD)
        elif self._echo_told_s is not None and utterance.decided_s > self._echo_told_s + _ECHO_TOLD_S:
            self._tell(Notice.ECHO, None)

    def _estimates(
        self, utterance: Utterance, heard: Heard, timing: Timing, found: Speculated | None, speaker: str | None
    ) -> Iterator[tuple[EmotionEvent, Timing]]:
        """The utterance's first estimate and what it revises, or the prior and the reason. No speech is no emotion:
        then neither words nor voice are judged."""
        if self._dialogue is None:
            prior = dict(zip(self.labels, self._estimator.manifest.prior, strict=True))
            first = unjudged_estimate(utterance.utterance_id, prior, NoAnswer.STOPPED)
            yield first, timing
            yield msgspec.structs.replace(first, status="frozen", revision=1), timing
            return
        cues = _cues(utterance, heard)
        if heard.transcript.no_speech:
            why = Doubt(heard.transcript.gated)
            for estimate in self._dialogue.add_no_speech(utterance.utterance_id, cues, why):
                yield estimate, timing
            return
        began = time.perf_counter()
        encoded = None
        try:
            if found is None or found.rows is None:
                t1, voice = self._embed(heard.words, self._voice(utterance, heard))
            else:
                t1, voice = found.rows
            encoded = time.perf_counter()
            settled = speaker == _speaker(utterance, heard)
            estimates = self._dialogue.add(
                utterance.utterance_id, t1, voice, cues, self._run, speaker=speaker, settled=settled
            )
            self._estimator.succeeded()
        except Unjudged as error:
            estimates = self._dialogue.add_unjudged(utterance.utterance_id, cues, error.reason)
        ended = time.perf_counter()
        encoded = ended if encoded is None else encoded
        before_ms = 0.0 if found is None or found.rows is None else found.encode_ms
        encode_ms = before_ms + (encoded - began) * 1000
        timing = msgspec.structs.replace(timing, encode_ms=encode_ms, fuse_ms=(ended - encoded) * 1000)
        for estimate in estimates:
            yield estimate, timing

    def _revise(self, utterance: Utterance, heard: Heard) -> Iterator[Event]:
        if self._dialogue is None or not self._still_open(utterance):
            return
        if heard.transcript.no_speech:
            yield from self._dialogue.withdraw(utterance.utterance_id)
            return
        text = heard.words
        if not text:
            return
        try:
            t1, _ = self._embed(text, None)
            cues, speaker = _cues(utterance, heard), _speaker(utterance, heard)
            events = self._dialogue.add_words(utterance.utterance_id, text, t1, cues, self._run, speaker=speaker)
            self._estimator.succeeded()
        except Unjudged:
            return  # the first estimate stands
        yield from events

    def _embed(self, words: str, voice: np.ndarray | None) -> Rows:
        return self._estimator.embed(words, voice, self._patience.for_label)

    def _voice(self, utterance: Utterance, heard: Heard) -> np.ndarray | None:
        """What the model's speech branch gets: the samples; None = a voice that may not be judged."""
        if not self._scope.includes(utterance.speaker, heard.transcript.speaker):
            return None
        return utterance.samples

    def _still_open(self, utterance: Utterance) -> bool:
        return self._dialogue is not None and self._dialogue.is_open(utterance.utterance_id)

    def _freeze_all(self) -> Iterator[Event]:
        yield from self.who.freeze_all()
        yield from self.who.news(self._dialogue)
        if self._dialogue is not None:
            yield from self._dialogue.freeze_all()

    def _run(self, work: Callable[[], T]) -> T:
        return self._estimator.run(work, self._patience.for_label)


def _partial(speech: Speech | Utterance, text: str) -> Iterator[UtterancePartial]:
    if text:
        yield UtterancePartial(utterance_id=speech.utterance_id, start_s=speech.start_s, text=text)


def _speaker(utterance: Utterance, heard: Heard) -> str | None:
    """Whose utterance it is: what a transcript says, else whose channel it came from, else unknown."""
    return heard.transcript.speaker or utterance.speaker


def _cues(utterance: Utterance, heard: Heard) -> Cues:
    return Cues(duration_s=utterance.end_s - utterance.start_s, asr_confidence=heard.transcript.confidence)
