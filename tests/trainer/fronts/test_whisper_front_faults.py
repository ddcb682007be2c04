"""A Whisper whose encoder hears the voice fails, hangs, is late or too slow: never another one's features, and said."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.processor import processor_with
from helpers.scripted_parts import Recited
from helpers.trainer.whisper_sessions import WORDS, Reciting, emotions

from livemerc.asr.engine import GpuMemoryError
from livemerc.asr.voice import WithVoice
from livemerc.audio.items import Utterance
from livemerc.config import Config
from livemerc.events import EmotionEvent, Event, UtteranceFinal
from livemerc.pipeline.patience import Situation
from livemerc.pipeline.processor import Processor
from livemerc.runtime.notices import Notice

PATIENCE_S = 60.0


def processor_behind(config: Config, asr: Any, lag_s: list[float], sentences: dict[Notice, str | None]) -> Processor:
    return processor_with(asr, config, Situation(behind_s=lambda _: lag_s[0], tell=sentences.__setitem__))


def test_a_recogniser_that_fails_takes_the_voice_along_and_says_so(
    configured: Callable[..., Config], random_whisper: Path, spoken: list[Utterance]
) -> None:
    asr, sentences = Reciting(random_whisper, configured()), dict[Notice, str | None]()
    processor = processor_behind(configured(), asr, [0.0], sentences)

    def fail() -> None:
        raise RuntimeError("the decoder broke")

    asr.before = fail
    final, first = processor.handle(spoken[0])
    assert isinstance(final, UtteranceFinal)
    assert final.asr.gated == "not transcribed: the recogniser failed"
    assert isinstance(first, EmotionEvent)
    assert (first.modality.text, first.modality.speech, first.abstained) == (None, None, "nothing to judge")
    assert "no label" in (sentences[Notice.ASR_FAILED] or "")
    assert "voice alone" not in (sentences[Notice.ASR_FAILED] or "")
    asr.before = lambda: None
    *_, second = processor.handle(spoken[1])
    assert isinstance(second, EmotionEvent)
    assert second.modality.speech is not None
    assert sentences[Notice.ASR_FAILED] is None
    processor.close()


def test_a_recogniser_that_hangs_leaves_neither_words_nor_voice(
    configured: Callable[..., Config], random_whisper: Path, spoken: list[Utterance]
) -> None:
    config, sentences, over = configured(asr__time_limit_s=0.2), dict[Notice, str | None](), threading.Event()
    asr = Reciting(random_whisper, config)
    asr.before = lambda: assert_over(over)
    processor = processor_behind(config, asr, [0.0], sentences)
    final, first = processor.handle(spoken[0])
    assert isinstance(final, UtteranceFinal)
    assert final.asr.gated == "not transcribed: the recogniser does not answer"
    assert isinstance(first, EmotionEvent)
    assert first.modality.speech is None
    assert "no labels until it does" in (sentences[Notice.ASR_HANGS] or "")
    over.set()
    processor.close()


def assert_over(over: threading.Event) -> None:
    assert over.wait(PATIENCE_S)


def test_late_words_bring_the_voice(
    configured: Callable[..., Config], random_whisper: Path, spoken: list[Utterance]
) -> None:
    in_time = processor_with(Reciting(random_whisper, configured()), configured())
    expected = emotions([e for u in spoken[:2] for e in in_time.handle(u)])[-1]
    in_time.close()
    lag_s, sentences, over = [0.0], dict[Notice, str | None](), threading.Event()
    asr = Reciting(random_whisper, configured())
    processor = processor_behind(configured(), asr, lag_s, sentences)
    list(processor.handle(spoken[0]))
    lag_s[0] = 12.0

    asr.before = lambda: assert_over(over)
    *_, first = processor.handle(spoken[1])
    assert isinstance(first, EmotionEvent)
    assert (first.modality.text, first.modality.speech) == (None, None)
    assert "no labels until they do" in (sentences[Notice.OVERLOAD] or "")
    over.set()
    late: list[Event] = []
    until_s = time.monotonic() + PATIENCE_S
    while not late:
        assert time.monotonic() < until_s
        late += processor.catch_up()
        time.sleep(0.01)
    revised = next(e for e in emotions(late) if e.utterance_id == spoken[1].utterance_id)
    assert (revised.status, revised.late_text) == ("revised", WORDS)
    assert revised.probabilities == pytest.approx(expected.probabilities)
    assert revised.modality.speech == pytest.approx(expected.modality.speech)
    processor.close()


def test_a_faster_whisper_gives_words_and_never_its_own_encoding(
    configured: Callable[..., Config],
    random_whisper: Path,
    other_whisper: Path,
    spoken: list[Utterance],
    monkeypatch: Any,
) -> None:
    for folder, has_voice in ((other_whisper, False), (random_whisper, True)):
        lag_s, sentences = [7.0], dict[Notice, str | None]()
        asr = Reciting(random_whisper, configured())
        asr.lighter = partial(Reciting, folder, configured())
        processor = processor_behind(configured(), asr, lag_s, sentences)
        final, first = processor.handle(spoken[0])
        assert isinstance(final, UtteranceFinal)
        assert isinstance(first, EmotionEvent)
        assert final.asr.model == str(folder)
        assert first.modality.text is not None
        assert (first.modality.speech is not None) == has_voice
        assert (sentences[Notice.WORDS_ALONE] is None) == has_voice
        processor.close()


def test_a_full_gpu_moves_the_encoder_beside_a_recogniser_to_the_cpu(
    configured: Callable[..., Config], random_whisper: Path, spoken: list[Utterance], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, sentences = configured(asr__model=str(random_whisper)), dict[Notice, str | None]()
    processor = processor_behind(config, Recited(), [0.0], sentences)
    asr = processor.recogniser.engine
    assert isinstance(asr, WithVoice)
    full = asr.encoder

    def encode(_: np.ndarray) -> np.ndarray:
        raise GpuMemoryError

    monkeypatch.setattr(full, "encode", encode)
    *_, first = processor.handle(spoken[0])
    assert isinstance(first, EmotionEvent)
    assert first.modality.speech is not None
    assert Notice.ASR_ON_CPU in sentences
    assert asr.encoder is not full
    processor.close()
