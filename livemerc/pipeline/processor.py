"""ASR, screening, encoders, dialogue: what happens to one endpointed utterance. One thread runs this: no locks.

Recogniser and model each run at arm's length (`recogniser`, `estimator`): whatever becomes of them, every utterance
gets its final, its first estimate and its frozen one.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from livemerc.asr.engine import AsrEngine
from livemerc.audio.items import EarItem, Ending, Quiet, Speech, Utterance
from livemerc.config import SAMPLE_RATE_HZ, Config
from livemerc.errors import LivemercError
from livemerc.events import EmotionEvent, Event, FinalAsr, Timing, UtteranceFinal, UtterancePartial
from livemerc.pipeline import estimator as judge
from livemerc.pipeline import recogniser as words
from livemerc.pipeline.abstention import Cues, unjudged_estimate
from livemerc.pipeline.estimator import Judge, Unjudged
from livemerc.pipeline.overload import SENTENCES, SENTENCES_OF_WHISPER_VOICE, Level, Overload
from livemerc.pipeline.partials import Every, Glimpses
from livemerc.pipeline.recogniser import Heard, Words
from livemerc.pipeline.speculation import Ahead, Found
from livemerc.runtime.worker import GiveUp, never

if TYPE_CHECKING:
    import numpy as np

    from livemerc.model.merits import WindowProbabilities
    from livemerc.pipeline.dialogue import Dialogue

_WORDS_SHARE = 0.4
"""Of the time that a stopping session has left, so much is kept from the recogniser for the voice and the label."""
_LAST_MOMENT_S = 0.1
_AHEAD_SHARE = 2.0
"""Work ahead may take so many times the hangover that is left: what takes longer gains little where the utterance ends,
and where it goes on (at a breath it mostly does) the next thing waits for all of it."""


def _no_lag(_: float) -> float:
    return 0.0


def _no_hurry() -> float | None:
    return None


def _nobody(key: str, sentence: str | None) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Situation:
    """What the brain is told of the world around it; as it stands, nothing presses (a file as fast as it goes).

    behind_s: how far an item that the ears decided at t_s (source time) is behind now, in seconds of source audio.
    left_s: seconds until a stopping session must have ended, None while it goes on; may raise to end all waiting.
    notice: what `status.degraded` tells under a key, or None to take it back.
    """

    behind_s: Callable[[float], float] = _no_lag
    left_s: Callable[[], float | None] = _no_hurry
    notice: Callable[[str, str | None], None] = _nobody


class Brain:
    """`handle(item)` gives the events of one item of the ears, `catch_up()` what came late, `finish()` the end's.

    Loads the model unless `load` is False: then `load()` does. Raises `ModelError`.
    """

    def __init__(self, config: Config, asr: AsrEngine, situation: Situation | None = None, *, load: bool = True):
        self._config = config
        self._situation = situation or Situation()
        self._judge = Judge(config, self._situation.notice)
        # The Whisper that must encode the voice, where the checkpoint has no front end of its own and the voice counts.
        self._whisper = None if config.model.text_only else self._judge.manifest.whisper
        languages = self._judge.manifest.text_languages
        self._words = Words(asr, config, languages=languages, notice=self._situation.notice)
        self._overload = Overload(config.overload)
        self._glimpses = Glimpses(config, self._judge)
        self._hypotheses = Every(config.live.partial_every_s)
        self._dialogue: Dialogue | None = None
        self._in_hand_s: float | None = None  # when the utterance in hand was decided, source time
        self._late_lag_s = 0.0  # how late the last late words came
        self._last_decided_s: float | None = None
        self._spacing_s = 4.0  # between utterances, the newest counting half
        self.ahead = Ahead()
        self.utterances = 0
        if load:
            self.load()

    def load(self, give_up: GiveUp | None = None) -> None:
        """Brings the model; without it (`give_up` gave a reason) utterances get the prior. Raises `ModelError`, also
        where the recogniser cannot give the voice's encoding that the checkpoint needs."""
        patience = never if give_up is None else give_up
        if self._whisper is not None and self._words.bring_voice(self._whisper, patience) is not None:
            return
        if self._judge.load(patience) is None:
            self._dialogue = self._judge.dialogue()

    def begin_load(self) -> None:
        """The model loads from now on, beside whatever the caller does; `load` waits for it."""
        self._judge.begin_load()

    def warm(self) -> None:
        """Spares the first utterance what the model's first run takes."""
        if self._dialogue is not None:
            self._judge.warm()

    def use(self, asr: AsrEngine) -> None:
        """The recogniser, where it came after the brain; before `load`."""
        self._words.asr = asr

    @property
    def asr(self) -> AsrEngine:
        return self._words.asr

    @property
    def device(self) -> str:
        return self._judge.device

    @property
    def labels(self) -> list[str]:
        return list(self._judge.manifest.labels)

    @property
    def failure(self) -> LivemercError | None:
        """Why the session should end: a part that failed again and again."""
        return self._judge.failure or self._words.failure

    @property
    def owes(self) -> bool:
        """Whether words are still being sought for an utterance that was judged without them."""
        return self._words.owed

    def forget(self) -> None:
        """What comes next is another conversation: nothing said so far is its context."""
        self._dialogue = self._judge.dialogue()

    def handle(self, item: EarItem) -> Iterator[Event]:
        if isinstance(item, Utterance):
            self._in_hand_s = item.decided_s
            self._learn_spacing(item)
            yield from self._utterance(item)
            self._in_hand_s = None
        elif isinstance(item, Quiet):
            yield from self._freeze_all()
        elif isinstance(item, Speech):
            yield from self._partial(item)
        elif isinstance(item, Ending):
            self._in_hand_s = item.utterance.decided_s
            self._anticipate(item)
            self._in_hand_s = None

    def catch_up(self) -> Iterator[Event]:
        """Late words and what they revise; also when nothing has happened, a few times a second: lag is measured."""
        yield from self._catch_up(self._open_for_s)

    def _catch_up(self, open_for_s: float) -> Iterator[Event]:
        self._observe()
        late = self._words.late(self._still_open, open_for_s=open_for_s, fast=self._overload.level >= Level.FAST_ASR)
        if late is not None:
            utterance, heard = late
            self._late_lag_s = self._situation.behind_s(utterance.decided_s)
            yield from self._revise(utterance, heard)

    def finish(self) -> Iterator[Event]:
        """Waits for late words as long as there is time, freezes what is open and lets go of the parts."""
        while self._words.owed and self._words.failure is None:
            yield from self._catch_up(math.inf)
            if not self._words.owed or self._words.wait(self._patience(self._config.asr.time_limit_s)) is not None:
                break
        yield from self._catch_up(0.0)
        yield from self._freeze_all()
        self.ahead.discard()
        self.close()

    def close(self) -> None:
        """Lets go of engine, model and threads; idempotent, never waits for a call that hangs."""
        self._words.close()
        self._judge.close()

    @property
    def _open_for_s(self) -> float:
        """How long an utterance is open to revision as things go: until so many later ones have come, or silence."""
        config = self._config.dialogue
        return min(config.freeze_after_s, config.revise * self._spacing_s)

    def _learn_spacing(self, utterance: Utterance) -> None:
        if self._last_decided_s is not None:
            self._spacing_s = (self._spacing_s + max(0.0, utterance.decided_s - self._last_decided_s)) / 2
        self._last_decided_s = utterance.decided_s

    # -- lag and patience ------------------------------------------------------------------------------------------

    def _observe(self) -> None:
        """Feeds the measured lag to the degrade order. While nobody waits for words, theirs is the lag that counts."""
        behind_s = self._situation.behind_s
        lag_s = 0.0 if self._in_hand_s is None else behind_s(self._in_hand_s)
        if self._overload.level >= Level.SPEECH_ONLY:
            sought = self._words.seeking
            lag_s = max(lag_s, self._late_lag_s if sought is None else behind_s(sought.decided_s))
        before = self._overload.level
        level = self._overload.observe(time.monotonic(), lag_s)
        if level != before:
            self._late_lag_s = 0.0 if before < Level.SPEECH_ONLY else self._late_lag_s
            sentences = SENTENCES if self._whisper is None else SENTENCES_OF_WHISPER_VOICE
            self._situation.notice("overload", sentences.get(level))

    def _patience(self, limit_s: float) -> GiveUp:
        """How long a call may be waited for when only the end of the session presses."""

        def give_up(ran_s: float) -> str | None:
            left_s = self._situation.left_s()
            if left_s is not None and left_s <= _WORDS_SHARE * self._config.live.stop_within_s:
                return words.STOPPED
            return words.HUNG if ran_s > limit_s else None

        return give_up

    def _for_words(self, ran_s: float) -> str | None:
        self._observe()
        if self._overload.level >= Level.SPEECH_ONLY:
            return words.HUNG if self._words.hangs else words.BEHIND
        reason = self._patience(self._config.asr.time_limit_s)(ran_s)
        if reason == words.HUNG:
            self._words.tell_hang()
        return reason

    def _for_label(self, ran_s: float) -> str | None:
        left_s = self._situation.left_s()
        if left_s is not None and left_s <= _LAST_MOMENT_S:
            return judge.STOPPED
        if self._in_hand_s is not None:
            self._observe()
            if self._situation.behind_s(self._in_hand_s) >= self._config.overload.unjudged_after_s:
                return judge.BEHIND
        return judge.HUNG if ran_s > self._config.model.time_limit_s else None

    # -- one item --------------------------------------------------------------------------------------------------

    def _partial(self, speech: Speech) -> Iterator[Event]:
        self._observe()
        samples = speech.samples
        if self._words.following:  # what the utterance may end without is not to be taken in
            samples = samples[: speech.settled_samples]
            self._follow(samples)
        if self._overload.level >= Level.NO_PARTIALS:
            return
        glimpse = None if self._dialogue is None else self._glimpses.of(speech, self._dialogue)
        if glimpse is not None:
            yield glimpse
        if not self._hypotheses.due(speech):
            return
        budget_s = self._config.live.partial_budget_ms / 1000
        text = self._words.partial(samples, budget_s=budget_s, give_up=self._for_words)
        if text:
            yield UtterancePartial(utterance_id=speech.utterance_id, start_s=speech.start_s, text=text)

    def _follow(self, samples: np.ndarray) -> bool:
        """Lets a recogniser that decodes along go on: no luxury, for all of it would have to be done at the end."""
        behind = self._overload.level >= Level.FAST_ASR
        return not behind and self._words.follow(samples, give_up=self._for_words)

    def _anticipate(self, ending: Ending) -> None:
        """While the hangover runs: words and encodings of what will be final if nobody says more. No events."""
        utterance = ending.utterance
        self.ahead.discard()
        self._observe()
        # also what is not settled in a long one: if it ends here somebody waits, and if it is cut before nobody does
        followed = self._follow(utterance.samples)
        if self._dialogue is None or self._overload.level > Level.WELL:
            return
        if followed:  # only the end of its search is left, and would be in vain if somebody spoke on
            self._encode_voice(utterance)
            return
        budget_s = min(self._config.live.ahead_budget_ms / 1000, _AHEAD_SHARE * ending.left_s)
        began = time.perf_counter()
        heard = self._words.ahead(utterance, budget_s=budget_s, give_up=self._for_words)
        recognised = time.perf_counter()
        if heard is None:
            self.ahead.wasted_s += recognised - began
            return
        rows = None
        with contextlib.suppress(Unjudged):  # then it is tried again for the final
            rows = self._judge.embed(_words_for_model(heard), self._voice(utterance, heard), self._for_label)
        encode_ms = (time.perf_counter() - recognised) * 1000
        self.ahead.keep(Found(utterance, heard, rows, (recognised - began) * 1000, encode_ms))

    def _encode_voice(self, utterance: Utterance) -> None:
        """Ahead of time, where the words come with the end."""
        if self._config.model.text_only or self._whisper is not None:
            return
        began = time.perf_counter()
        with contextlib.suppress(Unjudged):  # then it is tried again for the final
            rows = self._judge.embed("", utterance.samples, self._for_label)
            self.ahead.keep(Found(utterance, None, rows, 0.0, (time.perf_counter() - began) * 1000))

    def _utterance(self, utterance: Utterance) -> Iterator[Event]:
        self._observe()
        began = time.perf_counter()
        found = self.ahead.take(utterance)
        if found is None or found.heard is None:
            fast = self._overload.level >= Level.FAST_ASR
            heard = self._words.hear(utterance, fast=fast, give_up=self._for_words)
            asr_ms = (time.perf_counter() - began) * 1000
        else:
            heard, asr_ms = found.heard, found.asr_ms
        self.utterances += 1
        transcript = heard.transcript
        yield UtteranceFinal(
            utterance_id=utterance.utterance_id,
            start_s=utterance.start_s,
            end_s=utterance.end_s,
            text=transcript.text,
            speaker=transcript.speaker or utterance.speaker,
            asr=FinalAsr(
                engine=heard.engine, model=heard.model, confidence=transcript.confidence, gated=transcript.gated
            ),
        )
        timing = Timing(endpoint_wait_ms=(utterance.decided_s - utterance.end_s) * 1000, asr_ms=asr_ms)
        for estimate, timed in self._estimates(utterance, heard, timing, found):
            own = estimate.utterance_id == utterance.utterance_id and estimate.status == "provisional"
            if own and timed.encode_ms is not None:
                self._glimpses.learn(len(utterance.samples) / SAMPLE_RATE_HZ, timed.encode_ms / 1000)
            yield msgspec.structs.replace(estimate, timing=timed) if own else estimate

    def _estimates(
        self, utterance: Utterance, heard: Heard, timing: Timing, found: Found | None
    ) -> Iterator[tuple[EmotionEvent, Timing]]:
        """The utterance's first estimate and what it revises, or the prior and the reason."""
        if self._dialogue is None:
            prior = dict(zip(self.labels, self._judge.manifest.prior, strict=True))
            first = unjudged_estimate(utterance.utterance_id, prior, judge.STOPPED)
            yield first, timing
            yield msgspec.structs.replace(first, status="frozen", revision=1), timing
            return
        cues = _cues(utterance, heard)
        began = time.perf_counter()
        encoded = None
        try:
            if found is None or found.rows is None:
                t1, s1 = self._judge.embed(_words_for_model(heard), self._voice(utterance, heard), self._for_label)
            elif found.heard is None:
                t1, s1 = self._judge.embed(_words_for_model(heard), None, self._for_label)[0], found.rows[1]
            else:
                t1, s1 = found.rows
            encoded = time.perf_counter()
            estimates = self._dialogue.add(utterance.utterance_id, t1, s1, cues, self._run)
            self._judge.judged()
        except Unjudged as reason:
            estimates = self._dialogue.add_unjudged(utterance.utterance_id, cues, str(reason))
        ended = time.perf_counter()
        encoded = ended if encoded is None else encoded
        before_ms = 0.0 if found is None or found.rows is None else found.encode_ms
        encode_ms = before_ms + (encoded - began) * 1000
        timing = msgspec.structs.replace(timing, encode_ms=encode_ms, fuse_ms=(ended - encoded) * 1000)
        for estimate in estimates:
            yield estimate, timing

    def _revise(self, utterance: Utterance, heard: Heard) -> Iterator[Event]:
        text = _words_for_model(heard)
        voice = None if self._whisper is None else self._voice(utterance, heard)
        if not (text or voice is not None) or self._dialogue is None or not self._still_open(utterance):
            return
        try:
            t1, s1 = self._judge.embed(text, voice, self._for_label)
            cues = _cues(utterance, heard)
            events = self._dialogue.add_words(utterance.utterance_id, text, t1, cues, self._run, s1)
            self._judge.judged()
        except Unjudged:
            return  # the first estimate stands
        yield from events

    def _voice(self, utterance: Utterance, heard: Heard) -> np.ndarray | None:
        """What the model's speech branch gets: samples, or the encoding that came with the words; None = no voice."""
        if self._config.model.text_only:
            return None
        return utterance.samples if self._whisper is None else heard.transcript.encoding

    def _still_open(self, utterance: Utterance) -> bool:
        return self._dialogue is not None and self._dialogue.is_open(utterance.utterance_id)

    def _freeze_all(self) -> Iterator[Event]:
        if self._dialogue is not None:
            yield from self._dialogue.freeze_all()

    def _run(self, work: Callable[[], WindowProbabilities]) -> WindowProbabilities:
        return self._judge.run(work, self._for_label)


def _words_for_model(heard: Heard) -> str:
    """Screened text never reaches the model, nor the context of later utterances."""
    return "" if heard.transcript.gated else heard.transcript.text.strip()


def _cues(utterance: Utterance, heard: Heard) -> Cues:
    return Cues(duration_s=utterance.end_s - utterance.start_s, asr_confidence=heard.transcript.confidence)
