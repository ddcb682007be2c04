"""The encoder of the Whisper that ASR runs, as a speech front end: what its features depend on, and what they are."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from helpers.trainer.tiny_merits_l import voices

from trainer.fronts.encoders import build_speech_frontend


def test_whisper_features_depend_on_the_utterance_alone(random_whisper: Path) -> None:
    front = build_speech_frontend(f"whisper:{random_whisper}")
    assert (front.layers, front.dimension) == (1, 64)
    samples = voices(1.0, 0.05, 4.0, 0.001)
    together = front.features(samples)
    assert together.shape == (4, 1, 64)
    for row, utterance in enumerate(samples):
        torch.testing.assert_close(front.features([utterance])[0], together[row], atol=1e-6, rtol=0)
    assert (together[0] - together[2]).abs().max() > 1e-3
    assert front.fingerprint == build_speech_frontend(f"whisper:{random_whisper}").fingerprint


def test_a_whisper_is_named_by_its_content_and_never_by_its_place(
    random_whisper: Path, other_whisper: Path, tmp_path: Path
) -> None:
    front = build_speech_frontend(f"whisper:{random_whisper}")
    moved = shutil.copytree(random_whisper, tmp_path / "my whisper")
    same = build_speech_frontend(f"whisper:{moved}")
    assert same.fingerprint == front.fingerprint
    assert same.config == {**front.config, "name": "my_whisper"}
    assert str(tmp_path) not in str(same.config)
    assert front.config["model_sha256"] == hashlib.sha256((moved / "model.bin").read_bytes()).hexdigest()
    assert build_speech_frontend(f"whisper:{other_whisper}").fingerprint != front.fingerprint


def test_what_is_cached_is_made_in_the_pass_that_the_words_come_from(random_whisper: Path) -> None:
    """By the library itself: the states that its `transcribe` hands to the decoder, averaged, are the feature."""
    from faster_whisper import WhisperModel

    front = build_speech_frontend(f"whisper:{random_whisper}")
    utterance = voices(2.2)[0]
    model = WhisperModel(str(random_whisper), device="cpu", cpu_threads=1, local_files_only=True)
    passes: list[Any] = []
    encode = model.encode

    def watched(features: np.ndarray) -> Any:
        passes.append(encode(features))
        return passes[-1]

    model.encode = watched
    segments, _ = model.transcribe(
        utterance, language="en", beam_size=1, temperature=0.0, without_timestamps=True,
        condition_on_previous_text=False, log_prob_threshold=None, compression_ratio_threshold=None,
        no_speech_threshold=None,
    )  # fmt: skip
    list(segments)
    (states,) = passes
    expected = np.asarray(states)[0, :110].mean(0)  # 2.2 s in frames of 20 ms
    np.testing.assert_allclose(front.features([utterance])[0, 0].numpy(), expected, atol=1e-5)


def test_longer_than_whisper_s_window(random_whisper: Path) -> None:
    """One mel, cut into windows: as the library decodes it."""
    front = build_speech_frontend(f"whisper:{random_whisper}")
    long = np.tile(voices(15.0)[0], 3)  # the same peak in both windows, so that cutting first is the same
    first, second = front.features([long[:480_000]])[0], front.features([long[480_000:]])[0]
    torch.testing.assert_close(front.features([long])[0], (first * 2 + second) / 3, atol=2e-3, rtol=0)
