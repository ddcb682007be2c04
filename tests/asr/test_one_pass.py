"""One mel and one encoder pass an utterance for all that the words need: against the library as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.speech import noise, utterance

from livemerc.asr.faster_whisper_engine import FasterWhisperEngine
from livemerc.config import AsrConfig


@pytest.mark.parametrize("word_timestamps", [False, True])
def test_language_words_and_times_come_of_one_pass(
    undecided_whisper: Path, encoded_frames: list[int], word_timestamps: bool
) -> None:
    from faster_whisper import WhisperModel

    said = utterance(noise(2.0, -22))
    config = AsrConfig(word_timestamps=word_timestamps, window="full")
    heard = FasterWhisperEngine(undecided_whisper, config, device="cpu").transcribe(said)
    assert len(encoded_frames) == 1
    stock = WhisperModel(str(undecided_whisper), device="cpu", cpu_threads=1, local_files_only=True)
    segments, info = stock.transcribe(said.samples, beam_size=1, temperature=0.0, without_timestamps=True)
    assert " ".join("".join(s.text for s in segments).split()) == heard.text
    assert heard.language == info.language == "de"
    assert heard.language_probability == pytest.approx(info.language_probability, abs=1e-3)
    assert len(encoded_frames) == 3, "the library by itself: one for the language, one for the words"
