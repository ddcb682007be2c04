"""What every recogniser looks like to the chain: one endpointed utterance in, one transcript out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from livemerc.events import ECHO, NO_SPEECH

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from livemerc.audio.items import Utterance


@dataclass(frozen=True, slots=True)
class Word:
    """One word; times are seconds on the session clock, `probability` 0..1 or None where the engine gives none."""

    text: str
    start_s: float
    end_s: float
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Transcript:
    """The text of one utterance and what the engine says about it; None where the engine says nothing."""

    text: str
    confidence: float | None = None  # 0..1; each engine documents what it is
    speaker: str | None = None  # only from sidecar transcripts
    language: str | None = None
    language_probability: float | None = None
    language_probabilities: Mapping[str, float] | None = field(default=None, hash=False)
    """Of every language that the engine knows, by code, where it has guessed one."""
    no_speech_probability: float | None = None
    mean_log_probability: float | None = None  # natural log, mean over tokens
    tokens: int | None = None
    words: tuple[Word, ...] = ()
    gated: str | None = None  # why the text must not reach the model; set by screening
    second_pass: str | None = None  # why a Whisper's short window was not enough and the full one was looked at

    @property
    def no_speech(self) -> bool:
        """Whether nobody speaks here, or somebody elsewhere: then the voice must not be judged either."""
        return self.gated in (NO_SPEECH, ECHO)


class GpuMemoryError(Exception):
    """The GPU's memory did not suffice for this utterance: `livemerc.asr.select.engine_on_cpu` gives a way out."""


class AsrEngine(Protocol):
    """A recogniser. `engine` and `model` go into `session.start`.

    Results do not depend on earlier utterances, so offline, live and rerun give the same text. Calls come from one
    thread at a time. What an engine may be able to do beside this: `Repeatable`, `Interruptible`,
    `ListensFor`, `Lightened`, `Movable`.
    """

    engine: str
    model: str | None

    def transcribe(self, utterance: Utterance) -> Transcript:
        """The final text of one endpointed utterance. Raises `GpuMemoryError`."""
        ...

    def partial(self, samples: np.ndarray) -> str:
        """A hypothesis for an open utterance: `samples` (n,) float32, 16 kHz; "" where the engine has none."""
        ...

    def close(self) -> None:
        """Frees the model; idempotent."""
        ...


@runtime_checkable
class Repeatable(Protocol):
    """An engine that says whether it may be asked for an utterance in vain, or twice."""

    repeatable: bool


def is_repeatable(engine: AsrEngine) -> bool:
    """Whether it may be asked for an utterance in vain, or twice; one that says nothing may not."""
    return isinstance(engine, Repeatable) and engine.repeatable


@runtime_checkable
class ListensFor(Protocol):
    """An engine that can be told what is spoken, from one call to the next."""

    model: str | None
    language: str | None
    """Code of the language of the next call; None = to be found out. One that it `knows`."""

    def knows(self, language: str) -> bool: ...


@runtime_checkable
class Lightened(Protocol):
    """An engine that knows what to use instead of it while the machine cannot keep up."""

    def lighter(self) -> AsrEngine | None:
        """Loads it; None where nothing is faster."""
        ...


@runtime_checkable
class Movable(Protocol):
    """An engine that knows a way out of a full GPU."""

    def on_cpu(self) -> AsrEngine:
        """The same recogniser on the CPU. Raises `ModelError`."""
        ...


@runtime_checkable
class FollowsCues(Protocol):
    """An engine whose words were written before, each at its time: some may meet no speech."""

    def cues_unheard(self) -> int:
        """So far; from any thread."""
        ...

    def last_cue(self) -> str | None:
        """Nobody will speak any more: a sentence about the cues that met no speech; None where all did."""
        ...


@runtime_checkable
class Interruptible(Protocol):
    """An engine whose call can be ended from another thread; `transcribe` then raises."""

    def interrupt(self) -> None: ...


class NoAsr:
    """`--asr none`: the emotion is judged by the voice alone."""

    engine = "none"
    repeatable = True
    model: str | None = None

    def transcribe(self, utterance: Utterance) -> Transcript:
        """An empty transcript, gated as "no recogniser"."""
        return Transcript(text="", gated="no recogniser")

    def partial(self, samples: np.ndarray) -> str:
        """Always ""."""
        return ""

    def close(self) -> None:
        """Nothing to free."""
