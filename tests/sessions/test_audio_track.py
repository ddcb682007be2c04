"""The recorded audio: every channel's samples stand where they were heard, whatever the device's clock does."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np
import pytest

from livemerc.audio.file_source import FileSource
from livemerc.audio.read import read_samples
from livemerc.audio.source import Block
from livemerc.sessions.audio_track import TrackWriter
from livemerc.sessions.folder import AUDIO_FILE, AudioTrack, create_plain

RATE_HZ = 16_000


def tone(seconds: float, level: float = 0.25) -> np.ndarray:
    return np.full(round(seconds * RATE_HZ), level, np.float32)


def written(folder: Path, blocks: Iterable[Block], channels: int = 1) -> Path:
    """The file that holds `blocks`."""
    track = AudioTrack(file=AUDIO_FILE, rate_hz=RATE_HZ, channels=channels, speakers=[], start_s=0.0)
    with create_plain(folder / AUDIO_FILE) as file:
        writer = TrackWriter(file, track)
        for block in blocks:
            writer.add(block)
        writer.close()
    return folder / AUDIO_FILE


def test_audio_is_placed_where_it_was_heard(tmp_path: Path) -> None:
    blocks = [
        Block(tone(1.0), 0.5),  # the device took half a second to begin
        Block(tone(1.0), 1.501),  # a jitter of a millisecond is none
        Block(tone(1.0), 4.0, gap_s=1.5),  # unplugged
        Block(tone(0.0), 6.0),  # silent, but time passes
        Block(tone(1.0), 6.1),
    ]
    samples = read_samples(written(tmp_path, blocks), RATE_HZ)
    assert len(samples) / RATE_HZ == pytest.approx(7.0, abs=0.001)  # a tenth of a second is jitter
    loud = np.abs(samples) > 0.1
    second = [bool(loud[round(t * RATE_HZ)]) for t in (0.2, 0.7, 2.4, 2.6, 3.9, 4.1, 4.9, 5.1, 6.5)]
    assert second == [False, True, True, False, False, True, True, False, True]


@pytest.mark.parametrize("drift", [-1e-3, -1e-4, 1e-4, 1e-3])
def test_a_device_whose_clock_is_off_stays_in_time(tmp_path: Path, drift: float) -> None:
    block_s, blocks = 0.02, 6000
    path = written(tmp_path, (Block(tone(block_s), number * block_s * (1 + drift)) for number in range(blocks)))
    samples = read_samples(path, RATE_HZ)
    assert len(samples) / RATE_HZ == pytest.approx(blocks * block_s * (1 + drift), abs=0.02)
    assert (np.abs(samples - 0.25) < 1e-3).all()  # no hole in it


def test_two_channels_stay_together(tmp_path: Path) -> None:
    blocks = []
    for second in range(10):
        blocks.append(Block(tone(1.0, 0.5), float(second), channel=0))
        if not 2 <= second < 9:  # the second microphone was away, and came back
            blocks.append(Block(tone(1.0, 0.1), float(second), gap_s=7.0 if second == 9 else 0.0, channel=1))
    path = written(tmp_path, blocks, channels=2)
    assert FileSource(path).duration_s == 10.0
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    samples = np.concatenate(frames, axis=1).reshape(-1, 2) / 32768
    assert np.allclose(samples[:, 0], 0.5, atol=1e-3)
    at = [round(float(samples[round(t * RATE_HZ), 1]), 1) for t in (0.5, 1.5, 2.5, 8.5, 9.5)]
    assert at == [0.1, 0.1, 0.0, 0.0, 0.1]
