"""The Python entry points: `livemerc.monitor(...)` and `livemerc.load().predict(...)`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from livemerc.config import SAMPLE_RATE_HZ, Config, load_config
from livemerc.events import EmotionEvent, Event

if TYPE_CHECKING:
    from livemerc.audio.source import Source

Audio = str | Path | np.ndarray


def monitor(
    source: str | Path | Source,
    *,
    speed: float = 0.0,
    audio_track: int | str | None = None,
    config: Config | None = None,
    **overrides: Any,
) -> Iterator[Event]:
    """Events of one session, the same as `livemerc run --json`.

    source: path of an audio or video file, or any object of `livemerc.audio.source.Source` (a microphone, your own).
    speed: 1.0 = a file at real pace, 0 = as fast as it goes. audio_track: of a file, by number (from 1) or language;
    None = the default one. config: None = defaults <- user's TOML <- environment.
    overrides: dotted keys with `__` for the dot, for instance `asr__engine="none"`.
    Raises `InputError` (unreadable, no audio), `ModelError`, `ConfigError`. Closing the iterator ends the session.
    """
    from livemerc.pipeline.monitor import Monitor

    settings = _settings(config, overrides)
    if isinstance(source, str | Path):
        from livemerc.audio.file_source import FileSource

        track = None if audio_track is None else str(audio_track)
        source = FileSource(source, speed=speed, block_ms=settings.audio.block_ms, audio_track=track)
    return Monitor(source, settings).events()


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier utterance of a dialogue; audio and text may each be None (a masked modality)."""

    audio: Audio | None = None
    text: str | None = None


class Predictor:
    """The model without the live loop: one utterance and what was said before it -> one estimate."""

    def __init__(self, config: Config):
        from livemerc.model.checkpoint import read_manifest
        from livemerc.model.encoders import choose_device, load_model

        self._config = config
        device = choose_device(config.model.device)
        wanted = config.model
        self._scope = config.voice
        self._model, self._encoders = load_model(
            wanted.checkpoint, device, wanted.threads, wanted.precision, voice=not self._scope.text_only
        )
        self._abstention = read_manifest(config.model.checkpoint).abstention

    @property
    def labels(self) -> tuple[str, ...]:
        """Order of the probabilities."""
        return tuple(self._model.labels)

    def predict(
        self, audio: Audio | None = None, text: str | None = None, context: Sequence[Turn] = ()
    ) -> EmotionEvent:
        """Calibrated estimate of one utterance at lag 0 (nothing later is known).

        audio: path, or (n,) float32 samples at 16 kHz in [-1, 1], or None. text: transcript or None. context: earlier
        utterances, oldest first; the last K - 1 count. Neither audio nor text: the prior, abstained. Raises
        `InputError` for audio that cannot be read, ValueError for samples of another shape, and `ConfigError` for audio
        whose voice may not be judged (`purpose`, `judge_voice_of`): it would serve nothing else here.
        """
        from livemerc.pipeline.abstention import Cues
        from livemerc.pipeline.dialogue import Dialogue

        dialogue = Dialogue(self._model, self._config.dialogue, self._abstention)
        turns = (
            [*context[-(self._config.dialogue.context - 1) :], Turn(audio, text)]
            if self._config.dialogue.context > 1
            else [Turn(audio, text)]
        )
        if any(turn.audio is not None for turn in turns):
            self._scope.check_audio()
        estimate: EmotionEvent | None = None
        for number, turn in enumerate(turns, start=1):
            samples = None if turn.audio is None else _samples(turn.audio)
            words = (turn.text or "").strip()
            duration_s = len(samples) / SAMPLE_RATE_HZ if samples is not None else float("inf")
            events = dialogue.add(
                str(number),
                self._encoders.text([words])[0] if words else None,
                self._encoders.speech(samples) if samples is not None and not self._scope.text_only else None,
                Cues(duration_s=duration_s),
            )
            estimate = next(e for e in events if e.utterance_id == str(number) and e.status == "provisional")
        assert estimate is not None
        return estimate


def load(checkpoint: str | Path | None = None, *, config: Config | None = None, **overrides: Any) -> Predictor:
    """The bundled checkpoint (None) or the folder of another. Raises `ModelError` when it is missing or broken."""
    if checkpoint is not None:
        overrides["model__checkpoint"] = str(checkpoint)
    return Predictor(_settings(config, overrides))


def _settings(config: Config | None, overrides: dict[str, Any]) -> Config:
    if config is None:
        return load_config(overrides={key.replace("__", "."): value for key, value in overrides.items()})
    if overrides:
        raise ValueError("give either `config` or overrides, not both")
    return config


def _samples(audio: Audio) -> np.ndarray:
    if isinstance(audio, str | Path):
        from livemerc.audio.read import read_samples

        return read_samples(audio, SAMPLE_RATE_HZ)
    if not np.issubdtype(np.asarray(audio).dtype, np.floating):
        raise ValueError("audio must be float samples in [-1, 1]; divide 16-bit integers by 32768")
    samples = np.asarray(audio, np.float32)
    if samples.ndim != 1 or not len(samples):
        raise ValueError(f"audio must be a non-empty (n,) array at {SAMPLE_RATE_HZ} Hz, not {samples.shape}")
    if not np.isfinite(samples).all():
        raise ValueError("audio holds NaN or infinite samples")
    return samples
