"""Enrolling at the microphone for real: PulseAudio's null sink is the room, `paplay` the reader who speaks in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.command_line import running
from helpers.paths import PROJECT
from helpers.pulse import PulseServer
from helpers.wav_file import write as write_wav

from livemerc.audio.read import read_samples
from livemerc.config import SAMPLE_RATE_HZ
from livemerc.speakers.enrolment import ENOUGH_S
from livemerc.speakers.voiceprints import Voiceprints

pytestmark = [pytest.mark.mic, pytest.mark.slow, pytest.mark.timeout(280)]
READING_S = 28.0


@pytest.fixture
def reading(shared_data: Path, tmp_path: Path) -> Path:
    """Half a minute of one reader, with pauses."""
    paths = sorted((shared_data / "speech" / "librispeech").glob("*.flac"))
    if not paths:
        pytest.skip("enrolling at the microphone not tried: no clips of LibriSpeech in the shared data")
    reader = paths[0].name.partition("-")[0]
    pause = np.zeros(SAMPLE_RATE_HZ, np.float32)
    own = [path for path in paths if path.name.startswith(f"{reader}-")]
    parts = [part for path in own for part in (read_samples(path, SAMPLE_RATE_HZ), pause)]
    return write_wav(tmp_path / "reading.wav", np.concatenate(parts)[: int(READING_S * SAMPLE_RATE_HZ)], SAMPLE_RATE_HZ)


def test_whoever_reads_to_the_microphone_is_enrolled(pulse_alone: PulseServer, reading: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    env = pulse_alone.env | {
        "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE",
        "XDG_DATA_HOME": str(data), "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }  # fmt: skip
    command = [sys.executable, "-m", "livemerc", "speakers", "enroll", "Ann", "--mic", "--consent"]
    with running(command, env=env, text=True) as process:
        assert process.stderr is not None
        told = process.stderr.readline()  # only now the microphone is open: whatever was said before is not heard
        assert "listening to mic:" in told
        while process.poll() is None:  # what is read twice is the same voice, and it stops by itself once it has enough
            player = pulse_alone.play(reading)
            try:
                process.wait(READING_S + 2)
            except subprocess.TimeoutExpired:
                player.wait(30)
            else:
                player.terminate()
                player.wait(30)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.startswith("Ann: enrolled with")
    (kept,) = Voiceprints(data / "livemerc" / "voiceprints").read().prints
    assert kept.name == "Ann"
    assert kept.voiced_s >= ENOUGH_S
    assert kept.consent.how == "flag"
    assert any(kept.mean)
