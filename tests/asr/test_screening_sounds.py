"""What screening makes of real sounds through the Whisper that ships: words kept, cries no speech, Polish not judged.

tools/measure_screening.py measures the same on all there is; these few clips only show that the chain does it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers.paths import PROJECT
from helpers.speech import noise, read_audio, utterance

from livemerc.asr.engine import Transcript
from livemerc.asr.faster_whisper_engine import FasterWhisperEngine
from livemerc.asr.screening import screen
from livemerc.config import AsrConfig, ScreeningConfig

WHISPER = PROJECT / "livemerc" / "weights" / "whisper-tiny.en"


@pytest.fixture(scope="module")
def engine() -> Iterator[FasterWhisperEngine]:
    if not (WHISPER / "model.bin").is_file():
        pytest.skip("the bundled Whisper is not in this checkout")
    engine = FasterWhisperEngine(WHISPER, AsrConfig(window="adaptive"), device="cpu")
    yield engine
    engine.close()


def screened(engine: FasterWhisperEngine, samples: np.ndarray) -> Transcript:
    spoken = utterance(np.concatenate([noise(0.3, -70), samples[: 16_000 * 8], noise(0.1, -70, seed=1)]), margin_s=0.1)
    return screen(engine.transcribe(spoken), spoken, ScreeningConfig(), languages=("en",))


def test_read_english_keeps_its_words(engine: FasterWhisperEngine, shared_data: Path) -> None:
    for path in sorted((shared_data / "speech/librispeech").glob("*-0003.flac"))[:3]:
        assert screened(engine, read_audio(path)).gated is None


def test_quiet_english_keeps_its_words(engine: FasterWhisperEngine, shared_data: Path) -> None:
    """45 dB below what it was: the level alone gates nothing."""
    path = next(iter(sorted((shared_data / "speech/librispeech").glob("*-0003.flac"))))
    samples = read_audio(path)[: 16_000 * 8] * 10 ** (-45 / 20)
    transcript = engine.transcribe(utterance(samples))
    assert transcript.confidence is not None
    assert screen(transcript, utterance(samples), ScreeningConfig()).gated is None


def test_cries_are_no_speech(engine: FasterWhisperEngine, shared_data: Path) -> None:
    cries = sorted((shared_data / "emogator").glob("*-02-1.opus"))[40:45]
    assert sum(screened(engine, read_audio(path)).no_speech for path in cries) >= len(cries) - 1


def test_a_tune_is_no_speech(engine: FasterWhisperEngine) -> None:
    t = np.arange(16_000 * 2) / 16_000
    hz = 220 * 2 ** (np.repeat([0, 4, 7, 12], len(t) // 4) / 12)
    tune = (0.1 * np.sin(2 * np.pi * np.cumsum(hz) / 16_000)).astype(np.float32)
    assert screened(engine, tune).no_speech


def test_little_of_what_an_english_only_whisper_makes_of_polish_is_judged(
    engine: FasterWhisperEngine, shared_data: Path
) -> None:
    clips = sorted((shared_data / "nemo").glob("*neutral*.opus"))[::60][:5]
    assert len(clips) == 5
    assert sum(screened(engine, read_audio(path)).gated is not None for path in clips) >= 4
