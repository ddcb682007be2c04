"""Several dialogues' utterances judged together: encoded in batches, their windows in one pass of Stages II and III.

Each gets what it would get alone. What fails together is tried alone, so that whose fault it is pays alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from livemerc.audio.items import Utterance
from livemerc.config import Config
from livemerc.events import EmotionEvent, FinalAsr, LabelShift, UtteranceFinal
from livemerc.model.checkpoint import Manifest
from livemerc.pipeline.abstention import Cues, Doubt
from livemerc.pipeline.no_answer import NoAnswer
from livemerc.pipeline.recogniser import Heard
from livemerc.purpose import VoiceScope

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from livemerc.pipeline.dialogue import Begun, Dialogue
    from livemerc.pipeline.judging import Answer, Judges

T = TypeVar("T")

Rows = tuple["Tensor | None", "Tensor | None"]
"""T1 (Dt,) and the voice of an utterance, None where there are no words or no voice."""


@dataclass(frozen=True, slots=True)
class Said:
    """An utterance and its words; `asr_ms` is what they took."""

    utterance: Utterance
    heard: Heard
    asr_ms: float
    scope: VoiceScope
    """Whose voice its stream judges."""
    echoes: tuple[str, ...] = ()
    """Ids of earlier ones that turn out to be this one, heard again."""
    unjudged: NoAnswer | None = None
    """Why it is not judged at all."""

    @property
    def words(self) -> str:
        """What the model gets: screened text never reaches it."""
        return self.heard.words

    @property
    def judged(self) -> bool:
        """Whether the model is asked."""
        return self.unjudged is None and not self.heard.transcript.no_speech

    @property
    def speaker(self) -> str | None:
        """What a transcript says, else whose channel it came from."""
        return self.heard.transcript.speaker or self.utterance.speaker

    def cues(self) -> Cues:
        duration_s = self.utterance.end_s - self.utterance.start_s
        return Cues(duration_s=duration_s, asr_confidence=self.heard.transcript.confidence)

    def final(self) -> UtteranceFinal:
        u, transcript = self.utterance, self.heard.transcript
        return UtteranceFinal(
            utterance_id=u.utterance_id, start_s=u.start_s, end_s=u.end_s, text=transcript.text,
            speaker=self.speaker,
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


class Encodes(Protocol):
    """Stage I, as `livemerc.model.encoders.Encoders` has it."""

    def batch(self, texts: Sequence[str | None], voices: Sequence[np.ndarray | None]) -> list[Rows]: ...
    def speech(self, samples: np.ndarray) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What judges: Stage I, Stages II and III, and where they compute."""

    encoders: Encodes
    model: Judges
    device: str


def load_parts(config: Config) -> Parts:
    """The model in this process. Raises `ModelError`."""
    from livemerc.model.encoders import choose_device, load_model

    wanted = config.model
    device = choose_device(wanted.device)
    model, encoders = load_model(
        wanted.checkpoint, device, wanted.threads, wanted.precision, voice=not config.voice.text_only
    )
    return Parts(encoders, model, device)


class BatchEstimator:
    """Encoders and conversation model for many dialogues, in the thread that made it."""

    def __init__(self, config: Config, manifest: Manifest, parts: Parts) -> None:
        self.device = parts.device
        self._model, self._encoders = parts.model, parts.encoders
        self._config = config
        self._manifest = manifest

    def dialogue(self) -> Dialogue:
        """A new conversation."""
        from livemerc.pipeline.dialogue import Dialogue

        return Dialogue(self._model, self._config.dialogue, self._manifest.abstention)

    def voice(self, samples: np.ndarray) -> Tensor:
        """The voice of (n,) samples."""
        return self._encoders.speech(samples)

    def try_run(self, work: Callable[[], T], within_s: float) -> T | None:
        """What `work` gives, here and at once, or None where it fails: for what is superseded anyway."""
        try:
            return work()
        except Exception:  # noqa: BLE001 - the boundary of a part: the next utterance will say whether it is broken
            return None

    def explain(self, dialogue: Dialogue) -> LabelShift | None:
        """Why one settled label shifted, if any of the dialogue waits to be explained: for when nobody waits."""
        return dialogue.explain(lambda work: self.try_run(work, 0.0))

    def judge(self, said: Sequence[tuple[Dialogue, Said]]) -> Judged:
        """One utterance each of several dialogues: what `Dialogue.add` would give each, the prior where it fails, and
        where nobody speaks or the stream is too far behind."""
        judged = self._judge([pair for pair in said if pair[1].judged])
        of_judged = iter(judged.events)
        events = [next(of_judged) if item.judged else _not_asked(dialogue, item) for dialogue, item in said]
        return Judged(events, judged.encode_ms, judged.fuse_ms)

    def _judge(self, said: Sequence[tuple[Dialogue, Said]]) -> Judged:
        if not said:
            return Judged([], 0.0, 0.0)
        began = time.perf_counter()
        rows = self._embed([item for _, item in said])
        encoded = time.perf_counter()
        begun = [
            None
            if row is None
            else dialogue.begin(item.utterance.utterance_id, *row, item.cues(), speaker=item.speaker)
            for (dialogue, item), row in zip(said, rows, strict=True)
        ]
        answers = iter(self._answers([one for one in begun if one is not None]))
        events = [
            _settled(dialogue, item, one, None if one is None else next(answers))
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
        return said.scope.includes(said.utterance.speaker, said.heard.transcript.speaker)

    def _answers(self, begun: Sequence[Begun]) -> list[Answer | None]:
        """None where the model failed."""
        from livemerc.pipeline.judging import answer

        if not begun:
            return []
        try:
            return [*answer(self._model, [one.question for one in begun])]
        except Exception:  # noqa: BLE001 - the boundary of a part, as above
            return [None] if len(begun) == 1 else [self._answers([one])[0] for one in begun]


def _not_asked(dialogue: Dialogue, item: Said) -> list[EmotionEvent]:
    name, gated = item.utterance.utterance_id, item.heard.transcript.gated
    if item.heard.transcript.no_speech:
        return dialogue.add_no_speech(name, item.cues(), Doubt(gated))
    assert item.unjudged is not None
    return dialogue.add_unjudged(name, item.cues(), item.unjudged)


def _settled(dialogue: Dialogue, item: Said, begun: Begun | None, answered: Answer | None) -> list[EmotionEvent]:
    if begun is not None and answered is not None:
        return dialogue.settle(begun, answered)
    if begun is not None:
        dialogue.undo(begun)
    return dialogue.add_unjudged(item.utterance.utterance_id, item.cues(), NoAnswer.FAILED)
