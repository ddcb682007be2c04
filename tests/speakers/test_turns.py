"""An utterance that holds two people is cut where the one ends; one that holds one person is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from livemerc.audio.read import read_samples
from livemerc.speakers.embedder import SAMPLE_RATE_HZ, SpeakerEmbedder
from livemerc.speakers.turns import cuts, dips


@pytest.fixture(scope="module")
def embedder() -> SpeakerEmbedder:
    return SpeakerEmbedder()


@pytest.fixture(scope="module")
def two(shared_data: Path) -> tuple[np.ndarray, np.ndarray]:
    """3 s of each of two readers."""
    folder = shared_data / "speech" / "librispeech"
    names = ("2609-156975-0000.flac", "3005-163389-0000.flac")
    one, other = (read_samples(folder / name, SAMPLE_RATE_HZ, 1.0, 4.0) for name in names)
    return one / np.abs(one).max(), other / np.abs(other).max()


def test_a_change_of_speakers_is_found(embedder: SpeakerEmbedder, two: tuple[np.ndarray, np.ndarray]) -> None:
    one, other = two
    pause = np.zeros(SAMPLE_RATE_HZ // 5, np.float32)
    found = cuts(np.concatenate((one, pause, other)), embedder)
    assert len(found) == 1
    assert found[0] / SAMPLE_RATE_HZ == pytest.approx(3.1, abs=0.4)


def test_one_speaker_is_left_whole(embedder: SpeakerEmbedder, two: tuple[np.ndarray, np.ndarray]) -> None:
    for voice in two:
        pause = np.zeros(SAMPLE_RATE_HZ // 5, np.float32)
        half = len(voice) // 2
        assert cuts(np.concatenate((voice[:half], pause, voice[half:])), embedder) == []


@pytest.mark.parametrize("seconds", [0.0, 0.3, 1.5, 4.0])
def test_silence_is_not_cut(embedder: SpeakerEmbedder, seconds: float) -> None:
    samples = np.zeros(round(seconds * SAMPLE_RATE_HZ), np.float32)
    assert dips(samples) == []
    assert cuts(samples, embedder) == []
