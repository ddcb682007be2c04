"""A session in which nobody was heard says so at its end, with the level and the mend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.speech import noise
from helpers.wav_file import write

from livemerc.asr.engine import NoAsr
from livemerc.audio.file_source import FileSource
from livemerc.config import SAMPLE_RATE_HZ, Config
from livemerc.pipeline.monitor import Monitor
from livemerc.pipeline.reports import nothing_heard


def warnings(samples: np.ndarray, config: Config, tmp_path: Path) -> list[str]:
    source = FileSource(write(tmp_path / "sound.wav", samples, SAMPLE_RATE_HZ), speed=0.0)
    for _ in Monitor(source, config, engine=NoAsr()).events():
        pass
    return source.warnings


@pytest.fixture
def config(configured: Callable[..., Config]) -> Config:
    return configured(model__device="cpu", asr__engine="none")


def test_a_microphone_that_is_too_low_is_told_with_its_level_and_the_mend(config: Config, tmp_path: Path) -> None:
    (sentence,) = warnings(noise(5.0, -68), config, tmp_path)
    assert "nothing rose above the noise floor in 00:05" in sentence
    assert "-68 dBFS" in sentence
    assert "raise the microphone's level" in sentence


def test_loud_noise_is_another_trouble(config: Config, tmp_path: Path) -> None:
    (sentence,) = warnings(noise(5.0, -25), config, tmp_path)
    assert "no speech was heard in 00:05, though sounds reached -2" in sentence
    assert "right source" in sentence


def test_nothing_is_said_of_a_session_too_short_for_an_utterance(config: Config, tmp_path: Path) -> None:
    assert warnings(noise(0.5, -68), config, tmp_path) == []


@pytest.mark.parametrize("level_dbfs", [-120.0, -70.0, -45.1, -45.0, 0.0])
def test_every_sentence_has_the_level_and_a_mend(level_dbfs: float) -> None:
    sentence = nothing_heard(61.0, level_dbfs)
    assert f"{level_dbfs:.0f} dBFS" in sentence
    assert "01:01" in sentence
    assert "livemerc devices" in sentence
