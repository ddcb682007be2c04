"""A stretch of a recording, found by seeking; and a machine without a loudspeaker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from helpers import scripted_portaudio, wav_file
from helpers.paths import DEMO

from livemerc.audio import playback
from livemerc.audio.flac_writer import FlacWriter
from livemerc.audio.read import read_samples
from livemerc.errors import InputError, LivemercError


@pytest.mark.parametrize("start_s", [-0.3, 0.0, 0.0421, 33.333, 74.9])
def test_a_stretch_is_what_decoding_from_the_start_gives(start_s: float) -> None:
    samples, rate_hz = playback.read_stretch(DEMO, start_s, start_s + 1.7)
    assert rate_hz == 16_000
    begin = max(0.0, start_s)
    whole = read_samples(DEMO, 16_000)
    assert np.array_equal(samples, whole[round(begin * 16_000) : round((start_s + 1.7) * 16_000)])


def test_one_channel_or_all_of_them(tmp_path: Path) -> None:
    dice = np.random.default_rng(0)
    both = dice.uniform(-0.5, 0.5, (32_000, 2)).astype(np.float32)
    with (tmp_path / "two.flac").open("w+b", buffering=0) as file:
        writer = FlacWriter(file, 16_000, 2)
        writer.write(both)
        writer.close()
    for channel, expected in ((0, both[:, 0]), (1, both[:, 1]), (None, both.mean(axis=1))):
        samples, _ = playback.read_stretch(tmp_path / "two.flac", 0.5, 1.5, channel)
        assert np.abs(samples - expected[8_000:24_000]).max() < 1e-4
    wav_file.write(tmp_path / "two.wav", both, 16_000)
    samples, _ = playback.read_stretch(tmp_path / "two.wav", 0.5, 1.5, 1)
    assert np.abs(samples - both[8_000:24_000, 1]).max() < 1e-4


def test_what_cannot_be_played_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.flac").write_text("no audio")
    for path, start_s in ((tmp_path / "text.flac", 0.0), (tmp_path / "absent.flac", 0.0), (DEMO, 500.0)):
        with pytest.raises(InputError) as caught:
            playback.read_stretch(path, start_s, start_s + 1)
        assert "\n" not in str(caught.value)


class NoDevice(Exception):
    pass


@pytest.fixture
def loudspeaker(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """PortAudio as far as playing needs it."""
    played: list[tuple[np.ndarray, int]] = []
    fake: Any = SimpleNamespace(
        PortAudioError=NoDevice,
        query_devices=lambda kind: {"default_samplerate": 48_000.0},
        play=lambda samples, rate_hz: played.append((samples, rate_hz)),
        played=played,
    )
    scripted_portaudio.put(monkeypatch, fake)
    return fake


def test_it_is_played_at_the_rate_of_the_output(loudspeaker: SimpleNamespace) -> None:
    playback.play(np.zeros(16_000, np.float32), 16_000)
    ((samples, rate_hz),) = loudspeaker.played
    assert (len(samples), rate_hz) == (48_000, 48_000)


def test_no_output_and_no_portaudio_are_said(loudspeaker: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(kind: str) -> None:
        raise NoDevice("Error querying device -1")

    loudspeaker.query_devices = none
    with pytest.raises(LivemercError, match="no audio output"):
        playback.play(np.zeros(10, np.float32), 16_000)

    scripted_portaudio.take_away(monkeypatch)
    with pytest.raises(LivemercError, match="PortAudio is missing"):
        playback.play(np.zeros(10, np.float32), 16_000)
