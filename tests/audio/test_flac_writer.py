"""FLAC as it comes: whole at every moment, exact, and readable by others."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest

from livemerc.audio.flac_writer import FlacWriter


def noise(samples: int, channels: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal((samples, channels)) * 0.1).astype(np.float32)


def decoded(path: Path, channels: int) -> np.ndarray:
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.concatenate(frames, axis=1).reshape(-1, channels)


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 44_100, 192_000])
@pytest.mark.parametrize("channels", [1, 2, 3, 6])
def test_every_sample_comes_back(tmp_path: Path, rate_hz: int, channels: int) -> None:
    samples = noise(rate_hz + 77, channels)
    with open(tmp_path / "a.flac", "xb", buffering=0) as file:
        writer = FlacWriter(file, rate_hz, channels)
        for piece in np.array_split(samples, 50):
            writer.write(piece)
        writer.close()
    assert writer.duration_s == len(samples) / rate_hz
    assert np.array_equal(decoded(tmp_path / "a.flac", channels), np.rint(samples * 32768).astype(np.int16))
    with av.open(str(tmp_path / "a.flac")) as container:
        assert container.streams.audio[0].duration == len(samples)
        assert container.streams.audio[0].rate == rate_hz


def test_a_file_whose_writer_was_killed_holds_all_but_a_moment(tmp_path: Path) -> None:
    samples = noise(16_000 * 5, 1)
    with open(tmp_path / "a.flac", "xb", buffering=0) as file:
        writer = FlacWriter(file, 16_000)
        for piece in np.array_split(samples, 250):
            writer.write(piece)
        # not closed: a look from outside, as after kill -9
        left = decoded(tmp_path / "a.flac", 1)
    assert len(samples) - len(left) <= 0.2 * 16_000
    assert np.array_equal(left, np.rint(samples[: len(left)] * 32768).astype(np.int16))


def test_clipping_stays_in_range_and_silence_is_silence(tmp_path: Path) -> None:
    with open(tmp_path / "a.flac", "xb", buffering=0) as file:
        writer = FlacWriter(file, 16_000)
        writer.write(np.array([1.0, -1.0, 1.5, -1.5, 0.0], np.float32))
        writer.close()
    assert decoded(tmp_path / "a.flac", 1)[:, 0].tolist() == [32767, -32768, 32767, -32768, 0]


def test_the_checksum_and_the_frames_satisfy_another_decoder(tmp_path: Path) -> None:
    sox = shutil.which("sox")
    if sox is None:
        pytest.skip("sox is not installed: no second FLAC decoder to ask")
    with open(tmp_path / "a.flac", "xb", buffering=0) as file:
        writer = FlacWriter(file, 16_000)
        writer.write(noise(50_000, 1))
        writer.close()
    done = subprocess.run([sox, tmp_path / "a.flac", "-n", "stat"], capture_output=True, text=True, check=True)
    assert "3.125" in done.stderr
    assert "WARN" not in done.stderr


@pytest.mark.parametrize(("rate_hz", "channels"), [(16_000, 0), (16_000, 9), (2_000_000, 1), (192_000, 8)])
def test_what_flac_has_not_is_refused(tmp_path: Path, rate_hz: int, channels: int) -> None:
    with open(tmp_path / "a.flac", "xb", buffering=0) as file, pytest.raises(ValueError, match="FLAC"):
        FlacWriter(file, rate_hz, channels)
