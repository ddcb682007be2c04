"""Recogniser and model as deployments of their own: what waits of several replicas of rooms passes them together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from ray import serve

from livemerc.asr.engine import AsrEngine, GpuMemoryError, ListensFor, Transcript
from livemerc.asr.select import choose_engine, engine_on_cpu, fastest_engine
from livemerc.audio.items import Utterance
from livemerc.config import Config
from livemerc.streams.batch import Rows, load_parts

if TYPE_CHECKING:
    import numpy as np

    from livemerc.model.merits import Window
    from livemerc.pipeline.judging import Answer, Question

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Failed:
    """In the place of a result: what one of several failed of, which is not the others' fault."""

    error: Exception


@dataclass(frozen=True, slots=True)
class RecogniserFacts:
    engine: str
    model: str | None
    said: tuple[str, ...]
    """Sentences for whoever runs it."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a dialogue asks of its model beside answers: see `livemerc.pipeline.judging.AnswersItself`."""

    labels: tuple[str, ...]
    prior: tuple[float, ...]
    has_baseline: bool
    widths: tuple[int, int]
    device: str


class RecogniserPart:
    """One engine. Utterances that come together are gathered, and transcribed one after the other: CTranslate2 shares
    each among its own threads. Where the GPU's memory is full it goes on on the CPU."""

    def __init__(self, config: Config, at_once: int, gather_s: float) -> None:
        said: list[str] = []
        self._config = config
        self._engine = choose_engine(config, announce=said.append)
        self._fast: AsrEngine | None = None
        self._fast_sought = False
        self._said = tuple(said)
        self._asking = threading.Lock()
        self.transcribe.set_max_batch_size(at_once)
        self.transcribe.set_batch_wait_timeout_s(gather_s)

    def facts(self) -> RecogniserFacts:
        return RecogniserFacts(self._engine.engine, self._engine.model, self._said)

    def knows(self, language: str) -> bool:
        return not isinstance(self._engine, ListensFor) or self._engine.knows(language)

    async def lighter(self) -> RecogniserFacts | None:
        """The engine for rooms that cannot keep up, as `livemerc.asr.select.fastest_engine` has it."""
        engine = await asyncio.to_thread(self._lighter)
        return None if engine is None else RecogniserFacts(engine.engine, engine.model, ())

    def _lighter(self) -> AsrEngine | None:
        with self._asking:
            if not self._fast_sought:
                self._fast_sought = True
                self._fast = fastest_engine(self._engine, self._config)
            return self._fast

    @serve.batch
    async def transcribe(self, asked: list[tuple[Utterance, str | None, bool]]) -> list[Transcript | Failed]:
        """An utterance, the code of what is spoken in it (None = unknown), and whether the lighter engine is meant."""
        return await asyncio.to_thread(lambda: [_tried(self._transcribe, *one) for one in asked])

    def _transcribe(self, utterance: Utterance, language: str | None, fast: bool) -> Transcript:
        lighter = self._lighter() if fast else None
        with self._asking:
            engine = lighter or self._engine
            _listen_for(engine, language)
            try:
                return engine.transcribe(utterance)
            except GpuMemoryError:
                moved = engine_on_cpu(engine, self._config)
                if engine is lighter:
                    self._fast = moved
                else:
                    self._engine = moved
                engine.close()
                _listen_for(moved, language)
                return moved.transcribe(utterance)

    async def partial(self, samples: np.ndarray, language: str | None) -> str:
        """A hypothesis, or "" where somebody's final is being sought: nobody has to wait for a partial."""
        return await asyncio.to_thread(self._partial, samples, language)

    def _partial(self, samples: np.ndarray, language: str | None) -> str:
        if not self._asking.acquire(blocking=False):
            return ""
        try:
            _listen_for(self._engine, language)
            return self._engine.partial(samples)
        finally:
            self._asking.release()


def _listen_for(engine: AsrEngine, language: str | None) -> None:
    if isinstance(engine, ListensFor):
        engine.language = language


class ModelPart:
    """Stage I, and Stages II and III. What comes together passes the networks together."""

    def __init__(self, config: Config, at_once: int, gather_s: float) -> None:
        from livemerc.model.merits import MeritsL

        parts = load_parts(config)
        assert isinstance(parts.model, MeritsL)
        self._encoders, self._model = parts.encoders, parts.model
        model = parts.model
        self._facts = ModelFacts(model.labels, model.prior, model.has_baseline, model.widths, parts.device)
        self._asking = threading.Lock()
        for method in (self.embed, self.answer):
            method.set_max_batch_size(at_once)
            method.set_batch_wait_timeout_s(gather_s)

    def facts(self) -> ModelFacts:
        return self._facts

    @serve.batch
    async def embed(
        self, asked: list[tuple[Sequence[str | None], Sequence[np.ndarray | None]]]
    ) -> list[list[Rows] | Failed]:
        """Of each caller: texts and voices of as many utterances, as `Encoders.batch` takes them."""

        def all_of(some: Sequence[tuple[Sequence[str | None], Sequence[np.ndarray | None]]]) -> list[Rows]:
            texts = [text for one in some for text in one[0]]
            return self._encoders.batch(texts, [voice for one in some for voice in one[1]])

        return await asyncio.to_thread(self._together, asked, all_of, [len(one[0]) for one in asked])

    @serve.batch
    async def answer(self, asked: list[Sequence[Question]]) -> list[list[Answer] | Failed]:
        """Of each caller: questions, as `livemerc.pipeline.judging.answer` takes them."""
        from livemerc.pipeline.judging import answer

        def all_of(some: Sequence[Sequence[Question]]) -> list[Answer]:
            return answer(self._model, [question for one in some for question in one])

        return await asyncio.to_thread(self._together, asked, all_of, [len(one) for one in asked])

    async def deciding(self, window: Window, at: int, label: int) -> int | None:
        """As `livemerc.pipeline.attribution.cause` has it: the place."""
        from livemerc.pipeline.attribution import cause

        def found() -> int | None:
            with self._asking:
                return cause(self._model, window, at, label).at

        return await asyncio.to_thread(found)

    def _together(
        self, asked: list[Any], all_of: Callable[[Sequence[Any]], list[T]], counts: Sequence[int]
    ) -> list[list[T] | Failed]:
        """In one pass; where that fails each alone, so that whose fault it is pays alone."""
        with self._asking:
            try:
                found = iter(all_of(asked))
            except Exception:  # noqa: BLE001 - the boundary of a part: torch raises whatever its kernels raise
                return [_tried(all_of, [one]) for one in asked]
            return [[next(found) for _ in range(count)] for count in counts]


def _tried(work: Callable[..., T], *arguments: Any) -> T | Failed:
    try:
        return work(*arguments)
    except Exception as error:  # noqa: BLE001 - the boundary of a part: raised again where it was asked
        return Failed(error)
