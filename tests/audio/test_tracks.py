"""Which sound of a file is heard: the default track, the one that is asked for, and channels that cancel."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from helpers import wav_file

from livemerc.audio.file_source import FileSource
from livemerc.errors import ConfigError

RATE_HZ = 16_000


def tone(hz: float, seconds: float = 2.0, level: float = 0.4) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)).astype(np.float32)


def tracks(path: Path, *sounds: tuple[np.ndarray, str | None, bool]) -> Path:
    """One mono track for each (samples, language, default)."""
    with av.open(str(path), "w") as container:
        streams = []
        for _, language, default in sounds:
            stream = container.add_stream("pcm_s16le", rate=RATE_HZ, layout="mono")
            if language is not None:
                stream.metadata["language"] = language
            stream.disposition = av.stream.Disposition.default if default else av.stream.Disposition(0)
            streams.append(stream)
        for begin in range(0, len(sounds[0][0]), 1600):
            for stream, (samples, _, _) in zip(streams, sounds, strict=True):
                piece = (samples[begin : begin + 1600] * 32767).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(piece[None, :], format="s16", layout="mono")
                frame.sample_rate, frame.pts = RATE_HZ, begin
                container.mux(stream.encode(frame))
    return path


def pitch(source: FileSource) -> int:
    samples = np.concatenate([block.samples for block in source.blocks()])
    return round(float(np.argmax(np.abs(np.fft.rfft(samples)))) * RATE_HZ / len(samples))


THREE = [(tone(200), "eng", False), (tone(300), "ger", True), (tone(400), "fre", False)]


@pytest.mark.parametrize(
    ("wanted", "hz"), [(None, 300), ("1", 200), ("3", 400), ("de", 300), ("DEU", 300), ("en-GB", 200), ("fra", 400)]
)
def test_the_default_track_is_heard_or_the_one_that_is_asked_for(tmp_path, wanted, hz):
    source = FileSource(tracks(tmp_path / "three.mkv", *THREE), speed=0, audio_track=wanted)
    assert pitch(source) == hz
    assert source.warnings == []
    (remark,) = source.remarks
    assert "3 audio tracks: 1 (eng, mono), 2 (ger, mono, default), 3 (fre, mono)" in remark
    assert f"{hz // 100 - 1} is heard" in remark


def test_the_first_track_is_heard_where_none_is_the_default(tmp_path):
    sounds = [(samples, language, False) for samples, language, _ in THREE]
    assert pitch(FileSource(tracks(tmp_path / "three.mkv", *sounds), speed=0)) == 200


@pytest.mark.parametrize("wanted", ["0", "4", "es", "nothing at all", ""])
def test_a_track_that_is_not_there_is_an_error_that_lists_what_is(tmp_path, wanted):
    with pytest.raises(ConfigError, match=r"3 audio tracks: 1 \(eng") as caught:
        FileSource(tracks(tmp_path / "three.mkv", *THREE), audio_track=wanted)
    assert caught.value.exit_code == 2


def test_a_silent_track_beside_one_that_sounds_is_told(tmp_path):
    silent = np.zeros_like(tone(200))
    path = tracks(tmp_path / "obs.mkv", (silent, None, False), (tone(300), None, True))
    source = FileSource(path, speed=0)
    assert pitch(source) == 300
    assert source.warnings == [f"{path}: audio track 1 is silent; track 2 was heard."]
    source = FileSource(path, speed=0, audio_track="1")
    list(source.blocks())
    assert (
        "track 1, which was heard, is silent, and track 2 is not; choose that with --audio-track 2"
        in source.warnings[0]
    )


def test_one_track_needs_no_remark(tmp_path):
    source = FileSource(tracks(tmp_path / "one.mkv", THREE[0]), speed=0)
    assert source.remarks == []


def heard(path: Path) -> tuple[np.ndarray, list[str]]:
    source = FileSource(path, speed=0)
    return np.concatenate([block.samples for block in source.blocks()]), source.warnings


@pytest.mark.parametrize("share", [1.0, 0.6])
def test_channels_that_cancel_are_heard_by_their_difference(tmp_path, share):
    left = tone(300)
    samples, warnings = heard(wav_file.write(tmp_path / "anti.wav", np.stack([left, -share * left], axis=1), RATE_HZ))
    assert np.abs(samples).max() > 0.3
    assert len(warnings) == 1
    assert "cancel each other" in warnings[0]


def test_channels_that_begin_to_cancel_later_are_noticed(tmp_path):
    left, right = tone(300, 6.0), tone(300, 6.0)
    right[2 * RATE_HZ :] *= -1
    samples, warnings = heard(wav_file.write(tmp_path / "later.wav", np.stack([left, right], axis=1), RATE_HZ))
    assert np.abs(samples[4 * RATE_HZ :]).max() > 0.3
    assert "cancel" in warnings[0]


def test_ordinary_stereo_is_the_mean_of_its_sides(tmp_path):
    rng = np.random.default_rng(0)
    left, right = 0.1 * rng.standard_normal((2, 2 * RATE_HZ)).astype(np.float32)
    samples, warnings = heard(wav_file.write(tmp_path / "stereo.wav", np.stack([left, right], axis=1), RATE_HZ))
    assert samples == pytest.approx((left + right) / 2, abs=1e-4)
    assert warnings == []


@pytest.mark.parametrize(("silent", "name"), [(0, "left"), (1, "right")])
def test_a_silent_side_is_told(tmp_path, silent, name):
    both = np.stack([tone(300), tone(300)], axis=1)
    both[:, silent] = 0
    samples, warnings = heard(wav_file.write(tmp_path / "side.wav", both, RATE_HZ))
    assert np.abs(samples).max() > 0.15
    assert warnings == [f"{tmp_path / 'side.wav'}: the {name} channel is silent; the other one alone was heard."]
