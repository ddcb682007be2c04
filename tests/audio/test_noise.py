"""Noise is no speech, from the first sample of a session on; speech in noise, and late in a session, is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.paths import DEMO

from livemerc.audio.ears import Ears
from livemerc.audio.items import Utterance
from livemerc.audio.read import read_samples
from livemerc.audio.source import Block
from livemerc.audio.vad import FloorGate
from livemerc.bench.noise import NOISES
from livemerc.bench.vad import active_frames, at_level, lay_out, missed_speech
from livemerc.config import SAMPLE_RATE_HZ, load_config

CONFIG = load_config(environ={})


def noise(name: str, seconds: float, level_dbfs: float) -> np.ndarray:
    made = NOISES[name](round(seconds * SAMPLE_RATE_HZ), np.random.default_rng(7))
    return (made * 10 ** (level_dbfs / 20)).astype(np.float32)


@pytest.mark.parametrize("level_dbfs", [-50.0, -30.0, -20.0])
@pytest.mark.parametrize("name", NOISES)
def test_noise_from_the_first_sample_on_opens_nothing(name: str, level_dbfs: float) -> None:
    ears = Ears(CONFIG, SAMPLE_RATE_HZ)
    items = ears.feed(Block(noise(name, 25.0, level_dbfs), 0.0)) + ears.flush()
    assert not [item for item in items if isinstance(item, Utterance)]


@pytest.mark.parametrize("name", NOISES)
def test_speech_is_heard_ten_decibels_above_a_noise(name: str) -> None:
    clip = at_level(read_samples(DEMO, SAMPLE_RATE_HZ, 0.0, 30.0))
    reference = active_frames(clip)
    mixed = clip + noise(name, len(clip) / SAMPLE_RATE_HZ, -36.0)[: len(clip)]
    assert missed_speech(CONFIG, mixed.astype(np.float32), reference)["missed_percent"] < 15


def test_no_recording_is_missed_because_of_what_was_heard_before_it(shared_data: Path) -> None:
    """Silero's state drifts over a conversation: what it finds alone it must find late in a session, too."""
    files = sorted((shared_data / "ravdess").glob("*.flac"))[5::60]
    clips = [at_level(read_samples(path, SAMPLE_RATE_HZ)) for path in files]
    track, reference = lay_out(clips)
    ears = Ears(CONFIG, SAMPLE_RATE_HZ)
    utterances = [
        item for item in ears.feed(Block(track, 0.0)) + ears.flush() if isinstance(item, Utterance)
    ]  # fmt: skip
    heard = np.zeros(len(reference), bool)
    for item in utterances:
        heard[round(item.start_s * 100) : round(item.end_s * 100)] = True
    at = 160
    for path, clip in zip(files, clips, strict=True):
        frames = len(clip) // 160
        spoken = reference[at : at + frames]
        if missed_speech(CONFIG, *lay_out([clip]))["missed_percent"] < 50:
            assert heard[at : at + frames][spoken].any(), path.name
        at += frames + 160


def test_a_gate_with_depth_closes_in_pauses_and_not_on_speech_in_noise() -> None:
    rng = np.random.default_rng(0)

    def frames(level_dbfs: float, count: int) -> np.ndarray:
        return (rng.standard_normal((count, 320)) * 10 ** (level_dbfs / 20)).astype(np.float32)

    clean = FloorGate(6.0, 0.02, depth_db=20.0)
    for frame in frames(-65, 400):
        clean.is_open(frame)
    assert all(clean.is_open(frame) for frame in frames(-25, 50))
    assert not any(clean.is_open(frame) for frame in frames(-65, 50)[5:])  # a pause of clean speech
    noisy = FloorGate(6.0, 0.02, depth_db=20.0)
    for frame in frames(-40, 1500):
        noisy.is_open(frame)
    assert all(noisy.is_open(frame) for frame in frames(-37, 50))  # 3 dB above a steady noise
    steep = FloorGate(6.0, 0.02)
    for frame in frames(-40, 1500):
        steep.is_open(frame)
    assert not any(steep.is_open(frame) for frame in frames(-37, 50))
