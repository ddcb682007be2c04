"""Where several speak at once is marked: on a real line, in mixtures, and nowhere else."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livemerc.audio.read import read_samples
from livemerc.config import SAMPLE_RATE_HZ
from livemerc.errors import ModelError
from livemerc.speakers.ge2e import WEIGHTS
from livemerc.speakers.overlap import FRAMES_A_S, OVERLAP, SETTINGS, OverlapDetector, OverlapSettings, lasting

CALL_AT_ONCE = (10.57, 11.03), (14.49, 14.68), (18.15, 18.59), (27.85, 28.5)
"""Of sample.rttm, those of .15 s and more."""
RULES = msgspec.json.decode((WEIGHTS / SETTINGS).read_bytes(), type=OverlapSettings)


@pytest.fixture(scope="module")
def detector() -> OverlapDetector:
    return OverlapDetector()


def seconds(found: list[tuple[int, int]], start_s: float = 0.0) -> list[tuple[float, float]]:
    return [(start_s + begin / SAMPLE_RATE_HZ, start_s + end / SAMPLE_RATE_HZ) for begin, end in found]


def meets(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def test_who_speaks_at_once_on_a_call_is_marked_and_nothing_else(detector: OverlapDetector, shared_data: Path) -> None:
    path = shared_data / "speech" / "call" / "sample.flac"
    found = [
        span
        for start_s, end_s in ((7.3, 17.9), (17.9, 21.6), (21.6, 30.0))
        for span in seconds(detector.overlaps(read_samples(path, SAMPLE_RATE_HZ, start_s, end_s)), start_s)
    ]
    assert all(any(meets(span, truth) for truth in CALL_AT_ONCE) for span in found)
    assert sum(any(meets(span, truth) for span in found) for truth in CALL_AT_ONCE) >= 3


def test_readers_one_after_the_other_are_never_at_once_and_over_each_other_they_are(
    detector: OverlapDetector, shared_data: Path
) -> None:
    folder = shared_data / "speech" / "librispeech"
    longest = [max(folder.glob(f"{who}-*"), key=lambda path: path.stat().st_size) for who in _four(folder)]
    clips = [read_samples(path, SAMPLE_RATE_HZ, 1.0, 5.0) for path in longest]
    assert not any(detector.overlaps(clip) for clip in clips)
    for one, other in itertools.pairwise(clips):
        second = np.zeros_like(one)
        second[SAMPLE_RATE_HZ : 3 * SAMPLE_RATE_HZ] = other[: 2 * SAMPLE_RATE_HZ]
        second *= np.float32(np.sqrt(np.mean(one**2) / np.mean(second[second != 0] ** 2)))
        marked = np.zeros(len(one), bool)
        for begin, end in detector.overlaps(one + second):
            marked[begin:end] = True
        outside = np.concatenate((marked[: SAMPLE_RATE_HZ * 9 // 10], marked[SAMPLE_RATE_HZ * 31 // 10 :]))
        assert marked[SAMPLE_RATE_HZ : 3 * SAMPLE_RATE_HZ].mean() > 0.3
        assert outside.mean() < 0.05


def _four(folder: Path) -> list[str]:
    return sorted({path.name.split("-")[0] for path in folder.glob("*.flac")})[:4]


@pytest.mark.parametrize("samples", [np.zeros(0, np.float32), np.zeros(1, np.float32), np.zeros(48_000, np.float32)])
def test_in_silence_nobody_speaks_at_once(detector: OverlapDetector, samples: np.ndarray) -> None:
    assert detector.overlaps(samples) == []


def test_the_level_says_nothing(detector: OverlapDetector, shared_data: Path) -> None:
    samples = read_samples(shared_data / "speech" / "call" / "sample.flac", SAMPLE_RATE_HZ, 17.9, 21.6)
    loud, soft = (seconds(detector.overlaps(samples * np.float32(level))) for level in (1.0, 0.3))
    assert len(loud) == len(soft) == 1
    assert loud[0] == pytest.approx(soft[0], abs=0.1)


probabilities = st.lists(st.floats(0, 1), max_size=120).map(np.array)


@given(probabilities)
def test_an_overlap_lasts_and_is_sure_somewhere(several: np.ndarray) -> None:
    found = lasting(several, RULES)
    marked = np.zeros(len(several), bool)
    for begin, end in found:
        assert end - begin >= RULES.least_s * FRAMES_A_S
        assert several[begin:end].min() > RULES.low
        assert several[begin:end].max() > RULES.high
        assert not marked[max(0, begin - 1) : end].any()  # none meets another
        marked[begin:end] = True
    assert found == sorted(found)


def test_one_that_wavers_is_one_and_one_that_is_never_sure_is_none() -> None:
    wavers = np.array(
        [0.0] * 5 + [RULES.high + 0.05] * 6 + [RULES.low + 0.05] * 6 + [RULES.high + 0.05] * 6 + [0.0] * 5
    )
    assert lasting(wavers, RULES) == [(5, 23)]
    assert lasting(np.full(50, (RULES.low + RULES.high) / 2), RULES) == []


@pytest.mark.parametrize("name", [OVERLAP, SETTINGS])
@pytest.mark.parametrize("content", [None, b"", b"{}", b"\x00" * 200])
def test_weights_that_are_missing_or_damaged_are_told(tmp_path: Path, name: str, content: bytes | None) -> None:
    for file in (OVERLAP, SETTINGS):
        shutil.copy(WEIGHTS / file, tmp_path / file)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=r"who speaks at once cannot be read .*install livemerc anew"):
        OverlapDetector(folder=tmp_path)
