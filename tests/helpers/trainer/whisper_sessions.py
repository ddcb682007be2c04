"""Sessions of a checkpoint whose voice is a Whisper's encoder: the demo's first utterances, and settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.scripted_parts import Talk

from livemerc.asr.engine import Transcript
from livemerc.asr.faster_whisper_engine import FasterWhisperEngine
from livemerc.audio.items import Utterance
from livemerc.audio.make_ears import make_ears
from livemerc.config import Config, load_config
from livemerc.events import EmotionEvent, Event, UtteranceFinal
from livemerc.pipeline.processor import Processor

TALK_S = 14.0
WORDS = "w1 hello great"


def utterances() -> list[Utterance]:
    """What the ears hear in it."""
    ears = make_ears(Config(), Talk(TALK_S))
    items = [item for block in Talk(TALK_S).blocks() for item in ears.feed(block)] + ears.flush()
    return [item for item in items if isinstance(item, Utterance)]


def settings_for(checkpoint: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Config]:
    """Makes settings (`asr__model=...`); the hub's cache is `home / "hf"`."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(home / "hf"))

    def configure(**overrides: Any) -> Config:
        keys = {key.replace("__", "."): value for key, value in overrides.items()}
        return load_config(
            overrides={"model.checkpoint": str(checkpoint), "model.device": "cpu", "asr.language": "en", **keys},
            environ={},
        )

    return configure


class Reciting(FasterWhisperEngine):
    """The real Whisper's passes, with words that stand."""

    def __init__(self, folder: Path, config: Config) -> None:
        super().__init__(folder, config.asr, device="cpu", floating=True)
        self.before: Callable[[], None] = lambda: None

    def transcribe(self, utterance: Utterance) -> Transcript:
        self.before()
        return Transcript(text=WORDS, confidence=0.9, encoding=super().transcribe(utterance).encoding)


def emotions(events: list[Event]) -> list[EmotionEvent]:
    return [e for e in events if isinstance(e, EmotionEvent)]


def heard(processor: Processor, spoken: list[Utterance]) -> list[Event]:
    events = [e for u in spoken for e in processor.handle(u)] + list(processor.finish())
    assert sum(isinstance(e, UtteranceFinal) for e in events) == len(spoken)
    return events
