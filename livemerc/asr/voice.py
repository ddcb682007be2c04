"""The voice's encoding by the checkpoint's own Whisper, with each transcript: one encoder pass for both jobs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from livemerc.asr.engine import AsrEngine, Interruptible, Transcript, is_repeatable
from livemerc.asr.faster_whisper_engine import FasterWhisperEngine
from livemerc.asr.identify import another, is_whisper, named_whisper
from livemerc.asr.select import load_whisper
from livemerc.config import Config
from livemerc.errors import ConfigError, ModelError
from livemerc.model.whisper_identity import WhisperIdentity
from livemerc.purpose import VoiceScope

if TYPE_CHECKING:
    import numpy as np

    from livemerc.audio.items import Utterance
    from livemerc.model.merits import MeritsL


class WithVoice:
    """A recogniser that is no Whisper (none, a transcript) beside the Whisper that encodes the voices in `scope`."""

    def __init__(self, words: AsrEngine, encoder: FasterWhisperEngine, scope: VoiceScope) -> None:
        self.words, self.encoder, self.scope = words, encoder, scope
        self.engine, self.model = words.engine, words.model
        self.repeatable = is_repeatable(words)

    def transcribe(self, utterance: Utterance) -> Transcript:
        """The recogniser's text with the Whisper's encoding. Raises `GpuMemoryError`, `ModelError`."""
        transcript = self.words.transcribe(utterance)
        if not len(utterance.samples):  # words without a recording
            return transcript
        if not self.scope.includes(utterance.speaker, transcript.speaker):
            return transcript
        return replace(transcript, encoding=self.encoder.encode(utterance.samples))

    def partial(self, samples: np.ndarray) -> str:
        return self.words.partial(samples)

    def interrupt(self) -> None:
        """Ends the recogniser's call, where it can be ended."""
        if isinstance(self.words, Interruptible):
            self.words.interrupt()

    def close(self) -> None:
        self.words.close()
        self.encoder.close()


def with_voice(asr: AsrEngine, identity: WhisperIdentity, config: Config) -> AsrEngine:
    """`asr`, from now on with the voice's encoding in each transcript.

    A Whisper has to be that very one: a second beside it would cost more than the one pass that both jobs need. Any
    other recogniser gets that Whisper beside it, from `asr.model` or the cache. Raises `ModelError` (exit 3), and
    `ConfigError` (exit 2) for a Whisper that is to look at less than its window.
    """
    if isinstance(asr, WithVoice):
        return asr
    if not isinstance(asr, FasterWhisperEngine):
        return WithVoice(asr, open_encoder(identity, config), config.voice)
    if not is_whisper(asr.folder, identity):
        raise another(identity, asr.model)
    _check_type(asr, identity)
    if config.asr.window == "adaptive":
        raise ConfigError(
            "asr.window: the checkpoint judges the voice with this Whisper's encoder, as trained on its full window; "
            "leave --asr-window at auto or full, or leave the voice out with --text-only."
        )
    asr.encodes, asr.scope = True, config.voice
    return asr


def like(asr: AsrEngine, other: AsrEngine) -> AsrEngine:
    """`other`, a faster recogniser, with encodings where they are those that `asr` gives: never another Whisper's."""
    if isinstance(asr, WithVoice):
        return WithVoice(other, asr.encoder, asr.scope)
    if isinstance(asr, FasterWhisperEngine) and isinstance(other, FasterWhisperEngine):
        other.encodes, other.scope = asr.encodes and other.folder == asr.folder, asr.scope
    return other


def words_of(asr: AsrEngine) -> AsrEngine:
    """Who gives the words, where another one gives the voice's encoding beside them."""
    return asr.words if isinstance(asr, WithVoice) else asr


def gives_voice(asr: AsrEngine) -> bool:
    """Whether its transcripts bring the voice's encoding."""
    return isinstance(asr, WithVoice) or (isinstance(asr, FasterWhisperEngine) and asr.encodes)


def open_encoder(identity: WhisperIdentity, config: Config) -> FasterWhisperEngine:
    """That Whisper, from `asr.model` or the cache, for its encoder alone. No network. Raises `ModelError`."""
    name, folder = named_whisper(identity, config.asr.model)
    any_language = msgspec.structs.replace(config, asr=msgspec.structs.replace(config.asr, language=None))
    engine, _ = load_whisper(name, folder, any_language, floating=not identity.quantised)
    _check_type(engine, identity)
    return engine


def attach(model: MeritsL, identity: WhisperIdentity, config: Config) -> None:
    """Lets the model encode samples itself, where no recogniser runs: `predict` and `evaluate`. Raises `ModelError`."""
    from livemerc.model.frozen_speech import WhisperFront

    front = getattr(model.speech, "front", None)
    assert isinstance(front, WhisperFront)
    front.encode = open_encoder(identity, config).encode


def _check_type(engine: FasterWhisperEngine, identity: WhisperIdentity) -> None:
    if engine.quantised != identity.quantised:
        raise ModelError(
            f"asr.compute_type: Whisper {engine.model} computes in {engine.compute_type} here, and the checkpoint's "
            f"voice was trained on {'integer' if identity.quantised else 'floating-point'} weights; leave the key at "
            "default."
        )
