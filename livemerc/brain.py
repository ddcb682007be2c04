"""ASR, screening, encoders, dialogue: what happens to one endpointed utterance. One thread runs this: no locks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from livemerc.asr.screening import screen
from livemerc.audio.ears import EarItem, Quiet, Speech, Utterance
from livemerc.config import SAMPLE_RATE_HZ, Config
from livemerc.events import EmotionEvent, Event, FinalAsr, Timing, UtteranceFinal, UtterancePartial

if TYPE_CHECKING:
    from livemerc.asr.engine import AsrEngine


class Brain:
    """`handle(item)` gives the events of one item of the ears, `finish()` those of the end. It loads torch."""

    def __init__(self, config: Config, asr: AsrEngine):
        from livemerc.dialogue import Dialogue
        from livemerc.model.checkpoint import read_manifest
        from livemerc.model.encoders import choose_device, load_model

        self.asr = asr
        self.device = choose_device(config.model.device)
        self._config = config
        self._model, self._encoders = load_model(config.model.checkpoint, self.device, config.model.threads)
        manifest = read_manifest(config.model.checkpoint)
        self._text_languages = manifest.text_languages
        self._new_dialogue = lambda: Dialogue(self._model, config.dialogue, manifest.abstention)
        self._dialogue = self._new_dialogue()
        self.utterances = 0
        # Seconds the recogniser takes for a second of audio, the newest partial or final counting half.
        self._asr_pace = 0.1

    @property
    def labels(self) -> list[str]:
        return list(self._model.labels)

    def forget(self) -> None:
        """What comes next is another conversation: nothing said so far is its context."""
        self._dialogue = self._new_dialogue()

    def handle(self, item: EarItem) -> Iterator[Event]:
        if isinstance(item, Utterance):
            yield from self._utterance(item)
        elif isinstance(item, Quiet):
            yield from self._dialogue.freeze_all()
        elif isinstance(item, Speech):
            yield from self._partial(item)

    def finish(self) -> Iterator[Event]:
        """Freezes what is open and lets go of the engine."""
        yield from self._dialogue.freeze_all()
        self.asr.close()

    def _partial(self, speech: Speech) -> Iterator[Event]:
        """A hypothesis, if it can be had within its budget: whatever it takes, a final may have to wait for it."""
        if len(speech.samples) / SAMPLE_RATE_HZ * self._asr_pace * 1000 > self._config.live.partial_budget_ms:
            return
        began = time.perf_counter()
        text = self.asr.partial(speech.samples)
        self._learn_pace(len(speech.samples), time.perf_counter() - began)
        if text:
            yield UtterancePartial(utterance_id=speech.utterance_id, start_s=speech.start_s, text=text)

    def _learn_pace(self, samples: int, took_s: float) -> None:
        self._asr_pace = (self._asr_pace + took_s / max(samples / SAMPLE_RATE_HZ, 0.1)) / 2

    def _utterance(self, utterance: Utterance) -> Iterator[Event]:
        from livemerc.dialogue import Cues

        began = time.perf_counter()
        given = self.asr.engine == "transcript"  # a person wrote these words: nothing was hallucinated
        transcript = screen(
            self.asr.transcribe(utterance), utterance, self._config.screening, words_are_given=given,
            languages=self._text_languages, spoken=self._config.asr.language,
        )  # fmt: skip
        heard = time.perf_counter()
        self._learn_pace(len(utterance.samples), heard - began)
        self.utterances += 1
        yield UtteranceFinal(
            utterance_id=utterance.utterance_id,
            start_s=utterance.start_s,
            end_s=utterance.end_s,
            text=transcript.text,
            speaker=transcript.speaker or utterance.speaker,
            asr=FinalAsr(
                engine=self.asr.engine, model=self.asr.model, confidence=transcript.confidence, gated=transcript.gated
            ),
        )
        resumed = time.perf_counter()
        # Screened text never reaches the model, nor the context of later utterances.
        words = "" if transcript.gated else transcript.text.strip()
        t1 = self._encoders.text([words])[0] if words else None
        s1 = None if self._config.model.text_only else self._encoders.speech(utterance.samples)
        encoded = time.perf_counter()
        cues = Cues(duration_s=utterance.end_s - utterance.start_s, asr_confidence=transcript.confidence)
        estimates = self._dialogue.add(utterance.utterance_id, t1, s1, cues)
        fused = time.perf_counter()
        timing = Timing(
            endpoint_wait_ms=(utterance.decided_s - utterance.end_s) * 1000,
            asr_ms=(heard - began) * 1000,
            encode_ms=(encoded - resumed) * 1000,
            fuse_ms=(fused - encoded) * 1000,
        )
        for estimate in estimates:
            yield _timed(estimate, utterance.utterance_id, timing)


def _timed(estimate: EmotionEvent, utterance_id: str, timing: Timing) -> EmotionEvent:
    """Only the first estimate of the utterance just heard carries its timing."""
    if estimate.utterance_id == utterance_id and estimate.status == "provisional":
        return msgspec.structs.replace(estimate, timing=timing)
    return estimate
