"""One mel and one encoder pass an utterance, whoever asks: against the library as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.speech import noise, utterance

from livemerc.asr.faster_whisper_engine import SHORTEST_SAMPLES, FasterWhisperEngine
from livemerc.config import AsrConfig


def engine(folder: Path, **asr: object) -> FasterWhisperEngine:
    made = FasterWhisperEngine(folder, AsrConfig(**asr), device="cpu")  # type: ignore[arg-type]  # of several types
    made.encodes = True
    return made


@pytest.mark.parametrize("word_timestamps", [False, True])
def test_language_words_times_and_voice_come_of_one_pass(
    undecided_whisper: Path, encoded_frames: list[int], word_timestamps: bool
) -> None:
    from faster_whisper import WhisperModel

    said = utterance(noise(2.0, -22))
    heard = engine(undecided_whisper, word_timestamps=word_timestamps).transcribe(said)
    assert len(encoded_frames) == 1
    assert heard.encoding is not None
    assert heard.encoding.shape == (64,)
    stock = WhisperModel(str(undecided_whisper), device="cpu", cpu_threads=1, local_files_only=True)
    segments, info = stock.transcribe(said.samples, beam_size=1, temperature=0.0, without_timestamps=True)
    assert " ".join("".join(s.text for s in segments).split()) == heard.text
    assert heard.language == info.language == "de"
    assert heard.language_probability == pytest.approx(info.language_probability, abs=1e-3)
    assert len(encoded_frames) == 3, "the library by itself: one for the language, one for the words"


def test_the_encoding_depends_on_the_utterance_alone(random_whisper: Path, encoded_frames: list[int]) -> None:
    one, fresh = engine(random_whisper, language="en"), engine(random_whisper, language="en")
    for seconds in (3.0, 0.5, 1.0):
        samples = noise(seconds, -20, seed=round(seconds * 10))
        one.partial(samples[: len(samples) // 2])
        encoding = one.transcribe(utterance(samples)).encoding
        assert encoding is not None
        np.testing.assert_allclose(encoding, fresh.encode(samples), atol=1e-6)
    assert len(encoded_frames) == 9  # a hypothesis, the final with its encoding, and what is compared with it


@pytest.mark.parametrize("samples", [1, 100, 320, SHORTEST_SAMPLES - 1])
def test_too_short_for_a_word_the_voice_is_encoded_all_the_same(random_whisper: Path, samples: int) -> None:
    heard = engine(random_whisper, language="en").transcribe(utterance(noise(1.0)[:samples]))
    assert heard.text == ""
    assert heard.encoding is not None
    assert np.isfinite(heard.encoding).all()


def test_nothing_has_no_voice_and_nobody_asked_none(random_whisper: Path) -> None:
    one = engine(random_whisper, language="en")
    assert one.transcribe(utterance(np.zeros(0, np.float32))).encoding is None
    one.encodes = False
    assert one.transcribe(utterance(noise(0.5))).encoding is None


def test_longer_than_a_window_every_sample_counts_wherever_the_decoder_went_on(random_whisper: Path) -> None:
    long = noise(31.0, -20)
    heard = engine(random_whisper, language="en").transcribe(utterance(long))
    assert heard.encoding is not None
    np.testing.assert_allclose(heard.encoding, engine(random_whisper, language="en").encode(long), atol=1e-6)
    assert np.abs(heard.encoding - engine(random_whisper, language="en").encode(long[:480_000])).max() > 1e-5


def test_a_type_of_weights_is_told(random_whisper: Path) -> None:
    assert not engine(random_whisper, compute_type="float32").quantised
    int8 = engine(random_whisper)  # what "default" means on a CPU
    assert int8.compute_type.startswith("int8")
    assert int8.quantised
