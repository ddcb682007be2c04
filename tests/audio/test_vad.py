from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from helpers.synthetic import hush, pink

from livemerc.audio.file_source import FileSource
from livemerc.audio.vad import FloorGate, SileroVad, WebRtcVad, make_vad, silero_file
from livemerc.config import VadConfig


def probabilities(vad, samples: np.ndarray) -> np.ndarray:
    size = vad.frame_samples
    return np.array([vad.probability(samples[i : i + size]) for i in range(0, len(samples) - size + 1, size)])


@pytest.fixture(scope="module")
def speech(shared_data) -> np.ndarray:
    source = FileSource(shared_data / "speech" / "call" / "sample.flac", speed=0)
    assert source.rate_hz == 16_000
    return np.concatenate([block.samples for block in source.blocks()])


@pytest.mark.parametrize("engine", ["webrtc", "silero"])
@pytest.mark.parametrize(
    "noise",
    [np.zeros(80_000, np.float32), hush(5, level=1e-3), pink(5, -60), pink(5, -45)],
    ids=["digital silence", "white -60 dBFS", "pink -60 dBFS", "pink -45 dBFS"],
)
def test_silence_and_low_noise_are_no_speech(engine, noise):
    assert probabilities(make_vad(VadConfig(engine=engine)), noise).mean() < 0.05


@pytest.mark.parametrize("engine", ["webrtc", "silero"])
def test_a_real_call_is_mostly_speech(engine, speech):
    assert probabilities(make_vad(VadConfig(engine=engine)), speech[8 * 16_000 :]).mean() > 0.8


@pytest.mark.parametrize("vad", [WebRtcVad(), SileroVad()], ids=["webrtc", "silero"])
def test_reset_forgets_and_the_callers_samples_are_untouched(vad, speech):
    before = speech[: 12 * 16_000].copy()
    first = probabilities(vad, before)
    vad.reset()
    assert np.array_equal(probabilities(vad, before), first)
    assert np.array_equal(before, speech[: 12 * 16_000])


def test_silero_frame_by_frame_is_faster_whispers_own_run_over_the_whole(speech):
    from faster_whisper.vad import SileroVADModel

    samples = speech[: 512 * 900]
    # the wrapper zeroes the caller's last 64 samples: the last frame is not comparable
    theirs = SileroVADModel(str(silero_file()))(samples.copy()).reshape(-1)
    ours = probabilities(SileroVad(), samples)
    assert np.abs(ours[:-1] - theirs[:-1]).max() < 1e-4


def test_neither_detector_loads_torch_or_faster_whisper():
    code = (
        "import sys; from livemerc.audio.ears import Ears; from livemerc.config import load_config\n"
        "for engine in ('webrtc', 'silero'): Ears(load_config(environ={}, overrides={'vad.engine': engine}), 44100)\n"
        "print(sorted({'torch', 'faster_whisper', 'ctranslate2', 'av', 'sounddevice'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"


def test_the_gate_closes_on_steady_noise_and_opens_for_what_stands_out():
    gate = FloorGate(6.0, 0.02)
    noise = hush(30, level=0.005).reshape(-1, 320)
    for frame in noise:
        gate.is_open(frame)
    assert not any(gate.is_open(frame) for frame in noise[:20] * 0.9)
    assert all(gate.is_open(frame) for frame in noise[20:30] * 6)


def test_a_recording_that_begins_inside_a_word_is_let_through():
    gate = FloorGate(6.0, 0.02)
    assert all(gate.is_open(frame) for frame in pink(0.5, -30).reshape(-1, 320))
