"""Several dialogues' utterances judged together: encoded in batches, their windows in one pass of Stages II and III.

Each gets what it would get alone. What fails together is tried alone, so that whose fault it is pays alone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from livemerc.audio.items import Utterance
from livemerc.config import Config
from livemerc.events import EmotionEvent, FinalAsr, UtteranceFinal
from livemerc.model.checkpoint import Manifest
from livemerc.pipeline.abstention import Cues
from livemerc.pipeline.no_answer import NoAnswer
from livemerc.pipeline.recogniser import Heard

if TYPE_CHECKING:
    from torch import Tensor

    from livemerc.model.merits import WindowProbabilities
    from livemerc.pipeline.dialogue import Begun, Dialogue

Rows = tuple["Tensor | None", "Tensor | None"]
"""T1 (Dt,) and S1 (Ds,) of an utterance, None where there are no words or no voice."""


@dataclass(frozen=True, slots=True)
class Said:
    """An utterance and its words; `asr_ms` is what they took."""

    utterance: Utterance
    heard: Heard
    asr_ms: float

    @property
    def words(self) -> str:
        """What the model gets: screened text never reaches it."""
        return "" if self.heard.transcript.gated else self.heard.transcript.text.strip()

    def cues(self) -> Cues:
        duration_s = self.utterance.end_s - self.utterance.start_s
        return Cues(duration_s=duration_s, asr_confidence=self.heard.transcript.confidence)

    def final(self) -> UtteranceFinal:
        u, transcript = self.utterance, self.heard.transcript
        return UtteranceFinal(
            utterance_id=u.utterance_id, start_s=u.start_s, end_s=u.end_s, text=transcript.text,
            speaker=transcript.speaker or u.speaker,
            asr=FinalAsr(
                engine=self.heard.engine, model=self.heard.model, confidence=transcript.confidence,
                gated=transcript.gated,
            ),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Judged:
    """The events of each utterance, in the order given; the times are the whole batch's: each waited for all."""

    events: list[list[EmotionEvent]]
    encode_ms: float
    fuse_ms: float


class BatchEstimator:
    """Encoders and conversation model for many dialogues, in the thread that made it. Raises `ModelError`."""

    def __init__(self, config: Config, manifest: Manifest) -> None:
        from livemerc.model.encoders import choose_device, load_model

        self.device = choose_device(config.model.device)
        wanted = config.model
        self._scope = config.voice
        self._model, self._encoders = load_model(
            wanted.checkpoint, self.device, wanted.threads, wanted.precision, voice=not self._scope.text_only
        )
        self._config = config
        self._manifest = manifest

    def dialogue(self) -> Dialogue:
        """A new conversation."""
        from livemerc.pipeline.dialogue import Dialogue

        return Dialogue(self._model, self._config.dialogue, self._manifest.abstention)

    def judge(self, said: Sequence[tuple[Dialogue, Said]]) -> Judged:
        """One utterance each of several dialogues: what `Dialogue.add` would give each, the prior where it fails, and
        where nobody speaks."""
        speech = [pair for pair in said if not pair[1].heard.transcript.no_speech]
        judged = self._judge(speech)
        of_speech = iter(judged.events)
        events = [
            dialogue.add_no_speech(item.utterance.utterance_id, item.cues())
            if item.heard.transcript.no_speech
            else next(of_speech)
            for dialogue, item in said
        ]
        return Judged(events, judged.encode_ms, judged.fuse_ms)

    def _judge(self, said: Sequence[tuple[Dialogue, Said]]) -> Judged:
        if not said:
            return Judged([], 0.0, 0.0)
        began = time.perf_counter()
        rows = self._embed([item for _, item in said])
        encoded = time.perf_counter()
        begun = [
            None if row is None else dialogue.begin(item.utterance.utterance_id, *row, item.cues())
            for (dialogue, item), row in zip(said, rows, strict=True)
        ]
        probabilities = iter(self._windows([one for one in begun if one is not None]))
        events = [
            _settled(dialogue, item, one, None if one is None else next(probabilities))
            for (dialogue, item), one in zip(said, begun, strict=True)
        ]
        ended = time.perf_counter()
        return Judged(events, (encoded - began) * 1000, (ended - encoded) * 1000)

    def _embed(self, said: Sequence[Said]) -> list[Rows | None]:
        """None where the encoders failed."""
        try:
            rows = self._encoders.batch(
                [item.words for item in said],
                [item.utterance.samples if self._voiced(item) else None for item in said],
            )
        except Exception:  # noqa: BLE001 - the boundary of a part: torch raises whatever its kernels raise
            return [None] if len(said) == 1 else [self._embed([item])[0] for item in said]
        return [row if all(x is None or bool(x.isfinite().all()) for x in row) else None for row in rows]

    def _voiced(self, said: Said) -> bool:
        """Whether its voice may be judged."""
        return self._scope.includes(said.utterance.speaker, said.heard.transcript.speaker)

    def _windows(self, begun: Sequence[Begun]) -> list[WindowProbabilities | None]:
        """None where the model failed."""
        if not begun:
            return []
        try:
            return [*self._model.windows([one.window for one in begun])]
        except Exception:  # noqa: BLE001 - the boundary of a part, as above
            return [None] if len(begun) == 1 else [self._windows([one])[0] for one in begun]


def _settled(
    dialogue: Dialogue, item: Said, begun: Begun | None, probabilities: WindowProbabilities | None
) -> list[EmotionEvent]:
    if begun is not None and probabilities is not None:
        try:
            return dialogue.settle(begun, probabilities)
        except ArithmeticError:  # probabilities that are not finite
            pass
    if begun is not None:
        dialogue.undo(begun)
    return dialogue.add_unjudged(item.utterance.utterance_id, item.cues(), NoAnswer.FAILED)
