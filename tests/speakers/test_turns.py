"""An utterance that holds several people is cut where one ends; one that holds one person is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from livemerc.audio.read import read_samples
from livemerc.config import SAMPLE_RATE_HZ
from livemerc.speakers.embedder import SpeakerEmbedder
from livemerc.speakers.overlap import OverlapDetector
from livemerc.speakers.turns import changed_s, changes, turns


@pytest.fixture(scope="module")
def two(shared_data: Path) -> tuple[np.ndarray, np.ndarray]:
    """3 s of each of two readers."""
    folder = shared_data / "speech" / "librispeech"
    names = ("2609-156975-0000.flac", "3005-163389-0000.flac")
    one, other = (read_samples(folder / name, SAMPLE_RATE_HZ, 1.0, 4.0) for name in names)
    return one / np.abs(one).max(), other / np.abs(other).max()


def cuts(samples: np.ndarray, embedder: SpeakerEmbedder) -> list[int]:
    """Where turns begin, without the first one."""
    return [turn.begin for turn in turns(samples, embedder)][1:]


def test_a_change_of_speakers_is_found(embedder: SpeakerEmbedder, two: tuple[np.ndarray, np.ndarray]) -> None:
    one, other = two
    pause = np.zeros(SAMPLE_RATE_HZ // 5, np.float32)
    found = cuts(np.concatenate((one, pause, other)), embedder)
    assert len(found) == 1
    assert found[0] / SAMPLE_RATE_HZ == pytest.approx(3.1, abs=0.4)


def test_a_change_without_a_pause_is_found(embedder: SpeakerEmbedder, two: tuple[np.ndarray, np.ndarray]) -> None:
    one, other = two
    found = cuts(np.concatenate((one, other)), embedder)
    assert len(found) == 1
    assert found[0] / SAMPLE_RATE_HZ == pytest.approx(3.0, abs=0.6)


def test_somebody_between_two_turns_of_another_is_found(
    embedder: SpeakerEmbedder, two: tuple[np.ndarray, np.ndarray]
) -> None:
    one, other = two
    found = cuts(np.concatenate((one, other[: 2 * SAMPLE_RATE_HZ], one)), embedder)
    assert [at / SAMPLE_RATE_HZ for at in found] == pytest.approx([3.0, 5.0], abs=0.6)


def test_where_the_voice_changes_in_an_overlap_the_cut_is_in_its_middle_and_elsewhere_it_counts_for_nothing(
    embedder: SpeakerEmbedder, two: tuple[np.ndarray, np.ndarray]
) -> None:
    both = np.concatenate(two)
    there, far = (round(2.9 * SAMPLE_RATE_HZ), round(3.3 * SAMPLE_RATE_HZ)), (0, SAMPLE_RATE_HZ)
    assert [turn.begin for turn in turns(both, embedder, [far, there])][1:] == [sum(there) // 2]
    assert [turn.begin for turn in turns(both, embedder, [far])][1:] == cuts(both, embedder)
    assert [turn.begin for turn in turns(two[0], embedder, [(SAMPLE_RATE_HZ, 2 * SAMPLE_RATE_HZ)])] == [0]


def test_one_speaker_is_left_whole(embedder: SpeakerEmbedder, two: tuple[np.ndarray, np.ndarray]) -> None:
    for voice in two:
        pause = np.zeros(SAMPLE_RATE_HZ // 5, np.float32)
        half = len(voice) // 2
        assert cuts(np.concatenate((voice[:half], pause, voice[half:])), embedder) == []


def test_the_level_makes_no_other_cut(embedder: SpeakerEmbedder, two: tuple[np.ndarray, np.ndarray]) -> None:
    both = np.concatenate(two).astype(np.float32)
    loud, soft = cuts(both, embedder), cuts(both * np.float32(0.03), embedder)
    assert len(loud) == len(soft) == 1
    assert abs(loud[0] - soft[0]) < SAMPLE_RATE_HZ // 10


def test_nobody_is_cut_out_of_the_call_who_speaks_on(embedder: SpeakerEmbedder, shared_data: Path) -> None:
    """sample.rttm: one speaks from 10.6 to 14.6, the other from then on to 17.9."""
    call = read_samples(shared_data / "speech" / "call" / "sample.flac", SAMPLE_RATE_HZ, 11.1, 17.8)
    found = [turn.begin for turn in turns(call, embedder, OverlapDetector().overlaps(call))][1:]
    assert [11.1 + at / SAMPLE_RATE_HZ for at in found] == pytest.approx([14.5], abs=0.5)


@pytest.mark.parametrize("seconds", [0.0, 0.3, 1.5, 4.0])
def test_silence_is_not_cut(embedder: SpeakerEmbedder, seconds: float) -> None:
    assert cuts(np.zeros(round(seconds * SAMPLE_RATE_HZ), np.float32), embedder) == []


def around(means: list[float], each: int, noise: float = 0.1) -> np.ndarray:
    """(len(means) * each, 3): `each` rows around each mean."""
    rng = np.random.default_rng(0)
    rows = np.repeat(np.array(means)[:, None] * np.array([[1.0, -1.0, 0.5]]), each, axis=0)
    return rows + noise * rng.standard_normal(rows.shape)


def test_parts_begin_where_the_mean_changes() -> None:
    assert changes(around([0, 1, 0, 2], 6), cost=1.0, least=4) == [6, 12, 18]
    assert changes(around([0, 0, 0], 6), cost=1.0, least=4) == []


def test_a_part_is_worth_what_it_costs_and_is_no_shorter_than_it_may_be() -> None:
    course = around([0, 1], 6)
    assert changes(course, cost=1e3, least=4) == []
    assert changes(course, cost=0.0, least=6) == [6]
    assert changes(course, cost=0.0, least=7) == []
    for first, after in zip(begins := [0, *changes(course, 0.0, 2)], [*begins[1:], len(course)], strict=True):
        assert after - first >= 2


def test_no_partition_is_better() -> None:
    course = around([0, 0.2, 0.5], 3, noise=0.3)
    cost, least = 0.4, 2

    def total(begins: tuple[int, ...]) -> float:
        parts = np.split(course, list(begins))
        return sum(float(np.square(part - part.mean(0)).sum()) for part in parts) + cost * len(begins)

    def all_partitions(begin: int) -> list[tuple[int, ...]]:
        found: list[tuple[int, ...]] = [()]
        for at in range(begin + least, len(course) - least + 1):
            found += [(at, *rest) for rest in all_partitions(at)]
        return found

    best = min(total(begins) for begins in all_partitions(0))
    assert total(tuple(changes(course, cost, least))) == pytest.approx(best)


def test_a_change_lies_between_the_middles_of_two_windows() -> None:
    assert changed_s(1) == pytest.approx(0.6)
    assert changed_s(10) == pytest.approx(2.4)
