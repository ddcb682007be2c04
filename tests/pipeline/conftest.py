"""What the tests of who speaks share: two readers, and a talk of the two."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.wav_file import write as write_wav

from livemerc.audio.read import read_samples
from livemerc.config import SAMPLE_RATE_HZ


@pytest.fixture(scope="session")
def readers(shared_data: Path) -> list[np.ndarray]:
    """Thirty seconds of each of two readers."""
    found: dict[str, list[np.ndarray]] = {}
    for path in sorted((shared_data / "speech" / "librispeech").glob("*.flac")):
        found.setdefault(path.name.split("-")[0], []).append(read_samples(path, SAMPLE_RATE_HZ))
    return [np.concatenate(clips)[: 30 * SAMPLE_RATE_HZ] for clips in list(found.values())[:2]]


@pytest.fixture(scope="session")
def talk(readers: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two in turn, four seconds each, from the second half of what they read."""
    pause = np.zeros(SAMPLE_RATE_HZ, np.float32)
    parts = [pause]
    for turn in range(3):
        for samples in readers:
            begin = (15 + 4 * turn) * SAMPLE_RATE_HZ
            parts += [samples[begin : begin + 4 * SAMPLE_RATE_HZ], pause]
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    write_wav(path, np.concatenate(parts), SAMPLE_RATE_HZ)
    return path


@pytest.fixture
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
