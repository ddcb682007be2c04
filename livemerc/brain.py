"""ASR, screening, encoders, dialogue: what happens to one endpointed utterance. Only one thread runs this, so no locks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from livemerc.asr.screening import screen
from livemerc.audio.ears import EarItem, Quiet, Speech, Utterance
from livemerc.config import Config
from livemerc.events import EmotionEvent, Event, FinalAsr, Timing, UtteranceFinal, UtterancePartial

if TYPE_CHECKING:
    from livemerc.asr.engine import AsrEngine


class Brain:
    """`handle(item)` gives the events of one item of the ears, `finish()` those of the end. Loads torch on construction."""

    def __init__(self, config: Config, asr: AsrEngine):
        from livemerc.dialogue import Dialogue
        from livemerc.model.checkpoint import read_manifest
        from livemerc.model.encoders import choose_device, load_model

        self.asr = asr
        self.device = choose_device(config.model.device)
        self._config = config
        self._model, self._encoders = load_model(config.model.checkpoint, self.device, config.model.threads)
        manifest = read_manifest(config.model.checkpoint)
        self._dialogue = Dialogue(self._model, config.dialogue, manifest.abstention)
        self.utterances = 0

    @property
    def labels(self) -> list[str]:
        return list(self._model.labels)

    def handle(self, item: EarItem) -> Iterator[Event]:
        if isinstance(item, Utterance):
            yield from self._utterance(item)
        elif isinstance(item, Quiet):
            yield from self._dialogue.freeze_all()
        elif isinstance(item, Speech):
            text = self.asr.partial(item.samples)
            yield UtterancePartial(utterance_id=item.utterance_id, start_s=item.start_s, text=text)

    def finish(self) -> Iterator[Event]:
        """Freezes what is open and lets go of the engine."""
        yield from self._dialogue.freeze_all()
        self.asr.close()

    def _utterance(self, utterance: Utterance) -> Iterator[Event]:
        from livemerc.dialogue import Cues

        began = time.perf_counter()
        transcript = screen(self.asr.transcribe(utterance), utterance, self._config.screening)
        heard = time.perf_counter()
        self.utterances += 1
        yield UtteranceFinal(
            utterance_id=utterance.utterance_id,
            start_s=utterance.start_s,
            end_s=utterance.end_s,
            text=transcript.text,
            speaker=transcript.speaker,
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
