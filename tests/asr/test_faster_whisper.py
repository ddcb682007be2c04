"""The Whisper that ships, through faster-whisper, and what happens without one."""

from __future__ import annotations

import math

import jiwer
import numpy as np
import pytest
from helpers.speech import noise, plain, utterance

from livemerc.asr.engine import Transcript
from livemerc.asr.faster_whisper_engine import FasterWhisperEngine, _model_error
from livemerc.asr.models import BUNDLED
from livemerc.asr.screening import screen
from livemerc.asr.select import choose_engine
from livemerc.config import AsrConfig, ScreeningConfig, load_config
from livemerc.errors import ConfigError, ModelError


def test_a_missing_folder_is_a_model_error():
    with pytest.raises(ModelError, match="no such folder") as raised:
        FasterWhisperEngine("/no/such/whisper", AsrConfig())
    assert raised.value.exit_code == 3


@pytest.mark.parametrize(
    ("message", "mend"),
    [
        ("Library libcublas.so.12 is not found or cannot be loaded", r"livemerc\[cuda\]"),
        ("Unable to load any of {libcudnn_ops.so.9}\nInvalid handle", r"livemerc\[cuda\]"),
        ("CUDA failed with error no CUDA-capable device is detected", "--device cpu"),
        ("This CTranslate2 package was not compiled with CUDA support", "--device cpu"),
        ("Requested float16 compute type, but the target device does not support it", r"asr\.compute_type"),
        ("File model.bin is incomplete", "convert or fetch it again"),
    ],
)
def test_what_native_libraries_say_becomes_one_sentence_with_the_mend(tmp_path, message, mend):
    error = _model_error(RuntimeError(message), tmp_path, "cuda", "float16")
    assert "\n" not in str(error)
    with pytest.raises(ModelError, match=mend):
        raise error


def word_error(engine, clips) -> tuple[float, list[Transcript]]:
    # an endpointed utterance has a pre-roll and a hangover
    padded = [np.concatenate([noise(0.3, -66), samples, noise(0.4, -66, seed=1)]) for samples, _ in clips]
    transcripts = [engine.transcribe(utterance(samples, start_s=10.0, margin_s=0.3)) for samples in padded]
    references = [plain(sentence) for _, sentence in clips]
    return jiwer.wer(references, [plain(transcript.text) for transcript in transcripts]), transcripts


@pytest.mark.parametrize("beam_size", [1, 5])
def test_it_transcribes_what_is_said(clips, beam_size):
    engine = FasterWhisperEngine(BUNDLED, AsrConfig(beam_size=beam_size, language="en"), device="cpu")
    error, transcripts = word_error(engine, clips)
    print(f"tiny.en, beam {beam_size}: word error {error:.3f}")
    assert error <= 0.1
    for transcript, (samples, _) in zip(transcripts, clips, strict=True):
        assert transcript.language == "en"
        assert transcript.mean_log_probability < 0
        assert transcript.confidence == pytest.approx(math.exp(transcript.mean_log_probability))
        assert 0 <= transcript.no_speech_probability <= 1
        assert transcript.tokens > 0
        assert transcript.words == ()
        assert screen(transcript, utterance(samples, margin_s=0.2), ScreeningConfig()).gated is None
    engine.close()


def test_it_runs_by_configuration(clips):
    said: list[str] = []
    overrides = {"asr.engine": "faster-whisper", "asr.model": str(BUNDLED), "model.device": "cpu"}
    config = load_config(None, {**overrides, "offline": True}, environ={})
    engine = choose_engine(config, announce=said.append)
    assert engine.engine == "faster-whisper"
    assert str(BUNDLED) in said[0]
    error, transcripts = word_error(engine, clips)
    assert error <= 0.1
    assert {transcript.language for transcript in transcripts} == {"en"}
    assert all(transcript.language_probability > 0.5 for transcript in transcripts)


def test_an_utterance_does_not_depend_on_what_was_heard_before(clips):
    engine = FasterWhisperEngine(BUNDLED, AsrConfig(), device="cpu")
    first = engine.transcribe(utterance(clips[0][0]))
    for samples, _ in clips[1:4]:
        engine.transcribe(utterance(samples))
    assert engine.transcribe(utterance(clips[0][0])) == first
    assert engine.partial(clips[0][0]) == first.text


def test_words_are_timed_on_the_session_clock_and_cost_no_text(clips):
    """Alignment may fail, and some words get no time at all then: the text must not suffer from that."""
    plain_engine = FasterWhisperEngine(BUNDLED, AsrConfig(language="en"), device="cpu")
    engine = FasterWhisperEngine(BUNDLED, AsrConfig(word_timestamps=True, language="en"), device="cpu")
    aligned = 0
    for samples, _ in clips:
        transcript = engine.transcribe(utterance(samples, start_s=100.0))
        assert transcript.text == plain_engine.transcribe(utterance(samples, start_s=100.0)).text
        if transcript.words:
            aligned += 1
            assert " ".join(word.text for word in transcript.words) == transcript.text
            assert all(100.0 <= w.start_s <= w.end_s <= 101.0 + len(samples) / 16_000 for w in transcript.words)
            assert all(0 <= word.probability <= 1 for word in transcript.words)
    assert aligned


def test_nothing_to_hear_is_gated():
    engine = FasterWhisperEngine(BUNDLED, AsrConfig(language="en"), device="cpu")
    for samples in (np.zeros(0), np.zeros(800), np.zeros(16_000), noise(1.0, -95)):
        silence = utterance(samples)
        assert screen(engine.transcribe(silence), silence, ScreeningConfig()).gated in ("empty", "silence", "no speech")


def test_an_unknown_language_and_a_missing_gpu_are_said_plainly():
    with pytest.raises(ConfigError, match=r"asr\.language"):
        FasterWhisperEngine(BUNDLED, AsrConfig(language="klingon"), device="cpu")
    import ctranslate2

    if ctranslate2.get_cuda_device_count() == 0:
        with pytest.raises(ModelError, match="--device cpu"):
            FasterWhisperEngine(BUNDLED, AsrConfig(), device="cuda")


def test_a_truncated_model_is_refused(tmp_path):
    for file in BUNDLED.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = tmp_path / "model.bin"
    weights.write_bytes(weights.read_bytes()[:100_000])
    with pytest.raises(ModelError, match="cannot be used"):
        FasterWhisperEngine(tmp_path, AsrConfig(), device="cpu")
