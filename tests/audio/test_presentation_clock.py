"""When a container's sound is heard: by its time stamps, less the container's start."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from helpers import containers
from helpers.paths import DEMO
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from livemerc.audio.file_source import FileSource
from livemerc.audio.items import Utterance
from livemerc.audio.make_ears import make_ears
from livemerc.audio.presentation_clock import PresentationClock
from livemerc.audio.read import read_samples
from livemerc.config import Config

RATE_HZ = 16_000
WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
TALK = read_samples(DEMO, RATE_HZ, 0.0, 8.0)
PAUSE_S = 3.95
"""Between what Anna and what Ben says."""


def places(stamps: list[tuple[float | None, int]], start_s: float | None = 0.0, **options: bool) -> list[int]:
    clock = PresentationClock(1000, start_s, **options)
    return [clock.place(stamp_s, samples).start for stamp_s, samples in stamps]


def test_a_late_track_begins_late_and_a_gap_stays_a_gap():
    assert places([(4.087, 100), (4.187, 100), (14.287, 100)]) == [4087, 4187, 14287]


def test_the_container_begins_at_its_start():
    assert places([(36_001.4, 100), (36_001.5, 100)], start_s=36_000.0) == [1400, 1500]
    assert places([(7.0, 100), (7.1, 100)], start_s=None) == [0, 100]


def test_what_an_encoder_needed_before_the_sound_is_not_time():
    assert places([(0.0, 100), (0.1, 100)], start_s=-0.064) == [0, 100]


def test_jitter_of_time_stamps_moves_nothing():
    assert places([(0.0, 20), (0.021, 20), (0.039, 20), (0.06, 20)]) == [0, 20, 40, 60]


def test_a_short_gap_is_filled_and_not_taken_for_jitter():
    clock = PresentationClock(1000, 0.0)
    clock.place(0.0, 100)
    assert clock.place(0.2, 100) == (200, 100)
    assert clock.place(0.3, 100) == (300, 0)


def test_a_drifting_clock_is_followed():
    """Packets of 100 samples every 101 ms, as a device gives that runs 1 % slow."""
    found = places([(number * 0.101, 100) for number in range(100)])
    assert all(abs(place - number * 101) <= 40 for number, place in enumerate(found))


@pytest.mark.parametrize("again_s", [0.0, 40_000.0 * 3600])
def test_time_stamps_that_begin_anew_lose_no_sound(again_s):
    assert places([(5.0, 100), (again_s, 100), (again_s + 0.1, 100)]) == [5000, 5100, 5200]


def test_joined_broadcasts_go_on_where_the_first_ended():
    assert places([(0.0, 100), (36_000.0, 100)], broadcast=True) == [0, 100]


def test_packets_without_time_stamps_follow_each_other():
    assert places([(None, 100), (None, 50), (None, 50)], start_s=None) == [0, 100, 150]


pieces = st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 2000)), min_size=1, max_size=20)


@given(pieces=pieces, start_s=st.floats(0, 90_000, width=32))
def test_any_gaps_at_any_start_stand_where_the_stamps_say(pieces, start_s):
    clock, at = PresentationClock(1000, start_s), 0
    for gap, samples in pieces:
        at += gap
        assert abs(clock.place(start_s + at / 1000, samples).start - at) <= 40
        at += samples


def utterances(path: Path, speed: float = 0.0, **options: str) -> list[tuple[float, float]]:
    source = FileSource(path, speed=speed, **options)
    ears = make_ears(Config(), source)
    items = [item for block in source.blocks() for item in ears.feed(block)] + ears.flush()
    assert source.warnings == []
    return [(item.start_s, item.end_s) for item in items if isinstance(item, Utterance)]


def moved(stretches: list[tuple[float, float]], by_s: float) -> list[tuple[float, float]]:
    return [
        (pytest.approx(start_s + by_s, abs=0.002), pytest.approx(end_s + by_s, abs=0.002))
        for start_s, end_s in stretches
    ]


@settings(max_examples=8, phases=WITHOUT_SHRINKING, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    offset_s=st.floats(0, 30),
    gap_s=st.floats(4, 30),
    begin_s=st.sampled_from([0.0, 1.4, 3600.0]),
    speed=st.sampled_from([0.0, 100.0]),
)
def test_the_same_speech_elsewhere_differs_by_the_offset_alone(tmp_path, offset_s, gap_s, begin_s, speed):
    cut = round(PAUSE_S * RATE_HZ)
    path = containers.write(
        tmp_path / "moved.mkv",
        [(offset_s, TALK[:cut]), (offset_s + PAUSE_S + gap_s, TALK[cut:])],
        picture_s=offset_s + 0.5,
        begin_s=begin_s,
    )
    first = utterances(containers.write(tmp_path / "first.mkv", [(0.0, TALK[:cut])], picture_s=0.5))
    both = utterances(
        containers.write(tmp_path / "both.mkv", [(0.0, TALK[:cut]), (PAUSE_S + 4, TALK[cut:])], picture_s=0.5)
    )
    found = utterances(path, speed)
    assert found[: len(first)] == moved(first, offset_s)
    assert found[len(first) :] == moved(both[len(first) :], offset_s + gap_s - 4)
    assert len(found) == 2


@settings(max_examples=5, phases=WITHOUT_SHRINKING, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(gap_s=st.floats(0.05, 4))
def test_a_gap_of_any_length_moves_what_is_behind_it(tmp_path, gap_s):
    cut = round(PAUSE_S * RATE_HZ)
    whole = utterances(containers.write(tmp_path / "whole.mkv", [(0.0, TALK)], picture_s=0.5))
    path = containers.write(tmp_path / "gap.mkv", [(0.0, TALK[:cut]), (PAUSE_S + gap_s, TALK[cut:])], picture_s=0.5)
    found = utterances(path)
    assert [start_s for start_s, _ in found] == [
        pytest.approx(whole[0][0], abs=0.01), pytest.approx(whole[1][0] + gap_s, abs=0.1)
    ]  # fmt: skip


def test_time_passes_in_a_gap_and_before_a_late_beginning(tmp_path):
    path = containers.write(tmp_path / "late.mkv", [(11.0, TALK[:RATE_HZ]), (30.0, TALK[:RATE_HZ])], picture_s=1.0)
    blocks = list(FileSource(path, speed=0, block_ms=100).blocks())
    assert max(after.start_s - before.start_s for before, after in itertools.pairwise(blocks)) <= 4.0
    assert {round(block.start_s) for block in blocks if len(block.samples)} >= {11, 30}


def test_samples_read_at_once_lie_at_their_times(tmp_path):
    tone = 0.5 * np.sin(np.arange(RATE_HZ) / 5).astype(np.float32)
    path = containers.write(tmp_path / "late.mkv", [(2.0, tone), (5.0, tone)], picture_s=1.0)
    samples = read_samples(path, RATE_HZ)
    loud = np.flatnonzero(np.abs(samples) > 0.4) / RATE_HZ
    assert loud.min() == pytest.approx(2.0, abs=0.01)
    assert loud.max() == pytest.approx(6.0, abs=0.01)
    assert not np.any((loud > 3.01) & (loud < 4.99))
    part = read_samples(path, RATE_HZ, 4.5, 5.5)
    assert len(part) == RATE_HZ
    assert np.abs(part[: RATE_HZ // 2 - 100]).max() == 0
    assert np.abs(part[RATE_HZ // 2 :]).max() > 0.4


def test_a_picture_that_outlasts_the_sound_is_no_truncation(tmp_path):
    source = FileSource(containers.write(tmp_path / "longer.mkv", [(0.0, TALK)], picture_s=20.0), speed=0)
    list(source.blocks())
    assert source.warnings == []


def test_a_video_that_was_cut_short_is_told(tmp_path):
    path = containers.write(tmp_path / "cut.mkv", [(0.0, TALK)], picture_s=8.0)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = FileSource(path, speed=0)
    list(source.blocks())
    assert "truncated" in source.warnings[0]


@pytest.mark.parametrize(
    "padding", [b"\0" * 100_000, b"\xff" * 5000, b"APETAGEX" + b"\0" * 3000], ids=["zeros", "ones", "tag"]
)
def test_padding_behind_an_mp3_is_no_truncation(tmp_path, padding):
    path = tmp_path / "padded.mp3"
    containers.ffmpeg("-t", "8", "-i", DEMO, path)
    path.write_bytes(path.read_bytes() + padding)
    source = FileSource(path, speed=0)
    length_s = sum(len(block.samples) for block in source.blocks()) / source.rate_hz
    assert length_s == pytest.approx(8.0, abs=0.2)
    assert source.warnings == []


def test_an_mp3_whose_second_half_never_came_is_told(tmp_path):
    """A download that was given its whole size before: the rest are zeros."""
    path = tmp_path / "half.mp3"
    containers.ffmpeg("-t", "8", "-i", DEMO, path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) // 2))
    source = FileSource(path, speed=0)
    list(source.blocks())
    assert "truncated after" in source.warnings[0]
