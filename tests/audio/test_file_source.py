from __future__ import annotations

import os
import threading
import time
import wave
from pathlib import Path

import av
import numpy as np
import pytest
from helpers import wav_file

from livemerc.audio.file_source import FileSource
from livemerc.audio.read import read_samples
from livemerc.errors import EXIT_INPUT, ConfigError, InputError


def tone(rate_hz: int, seconds: float = 1.0, level: float = 0.5) -> np.ndarray:
    return (level * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def write_wav(path: Path, samples: np.ndarray, rate_hz: int, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes(np.repeat((samples * 32767).astype("<i2"), channels).tobytes())
    return path


def encode(path: Path, codec: str, rate_hz: int, layout: str, samples: np.ndarray, video: bool = False) -> Path:
    """`samples` in every channel of `layout`, by FFmpeg's own encoder."""
    with av.open(str(path), "w") as container:
        if video:
            pictures = container.add_stream("mpeg4", rate=10)
            pictures.width = pictures.height = 32
        stream = container.add_stream(codec, rate=rate_hz, layout=layout)
        if video:
            for _ in range(10):
                picture = av.VideoFrame(32, 32, "yuv420p")
                container.mux(pictures.encode(picture))
            container.mux(pictures.encode(None))
        frame = av.AudioFrame.from_ndarray(
            np.repeat(samples[None, :], len(stream.layout.channels), axis=0), format="fltp", layout=layout
        )
        frame.sample_rate = rate_hz
        resampler = av.AudioResampler(stream.format, stream.layout, rate_hz, stream.frame_size or None)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


def heard(source: FileSource) -> np.ndarray:
    return np.concatenate([block.samples for block in source.blocks()])


@pytest.mark.parametrize(
    ("name", "codec", "rate_hz", "layout", "video"),
    [
        ("a.wav", "pcm_s16le", 44_100, "stereo", False),
        ("a.wav", "pcm_f32le", 8_000, "mono", False),
        ("a.wav", "pcm_s24le", 48_000, "5.1", False),
        ("a.flac", "flac", 22_050, "stereo", False),
        ("a.mp3", "mp3", 44_100, "mono", False),
        ("a.m4a", "aac", 32_000, "stereo", False),
        ("a.opus", "libopus", 48_000, "stereo", False),
        ("a.mp4", "aac", 44_100, "mono", True),
    ],
)
def test_every_format_is_heard_whole_in_mono_at_its_own_rate(tmp_path, name, codec, rate_hz, layout, video):
    source = FileSource(encode(tmp_path / name, codec, rate_hz, layout, tone(rate_hz), video), speed=0)
    samples = heard(source)
    assert source.rate_hz == rate_hz
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert abs(len(samples) / rate_hz - 1.0) < 0.1  # lossy codecs pad
    spectrum = np.abs(np.fft.rfft(samples))
    assert abs(np.argmax(spectrum) * rate_hz / len(samples) - 440) < 3
    assert 0.05 < np.abs(samples).max() <= 1.0
    assert source.warnings == []
    assert not source.live


def test_channels_without_a_known_layout_are_averaged(tmp_path):
    source = FileSource(write_wav(tmp_path / "three.wav", tone(16_000), 16_000, channels=3), speed=0)
    assert np.abs(heard(source) - tone(16_000)).max() < 1e-3


def stereo(folder: Path, seconds: float = 1.0, rate_hz: int = 16_000) -> tuple[Path, np.ndarray, np.ndarray]:
    left, right = tone(rate_hz, seconds), tone(rate_hz, seconds, level=0.1)[::-1]
    return wav_file.write(folder / "two.wav", np.stack([left, right], axis=1), rate_hz), left, right


@pytest.mark.parametrize("block_ms", [7.0, 20.0, 3000.0])
def test_the_channels_of_a_file_are_heard_apart_if_their_speakers_are_named(tmp_path, block_ms):
    path, left, right = stereo(tmp_path)
    source = FileSource(path, speed=0, block_ms=block_ms, speakers=("ann", "ben"))
    blocks = list(source.blocks())
    assert [block.channel for block in blocks] == [0, 1] * (len(blocks) // 2)
    assert [block.start_s for block in blocks[::2]] == [block.start_s for block in blocks[1::2]]
    for channel, expected in enumerate((left, right)):
        heard = np.concatenate([block.samples for block in blocks if block.channel == channel])
        assert heard == pytest.approx(expected, abs=1e-4)
    assert source.warnings == []


def test_one_name_is_for_all_channels_together(tmp_path):
    path, _, _ = stereo(tmp_path)
    mixed = heard(FileSource(path, speed=0))
    assert np.array_equal(heard(FileSource(path, speed=0, speakers=("everybody",))), mixed)


@pytest.mark.parametrize(
    ("channels", "speakers", "mend"),
    [(2, ("a", "b", "c"), "has 2 channels; give one name or 2 names"), (1, ("a", "b"), "has 1 channel; give one name")],
)
def test_names_and_channels_must_agree(tmp_path, channels, speakers, mend):
    path = write_wav(tmp_path / "some.wav", tone(16_000), 16_000, channels)
    with pytest.raises(ConfigError, match=mend) as caught:
        FileSource(path, speed=0, speakers=speakers)
    assert caught.value.exit_code == 2


def test_a_truncated_stereo_file_is_heard_as_far_as_it_goes_on_both_channels(tmp_path):
    path, left, _ = stereo(tmp_path)
    path.write_bytes(path.read_bytes()[: len(path.read_bytes()) * 2 // 3])
    source = FileSource(path, speed=0, speakers=("ann", "ben"))
    blocks = list(source.blocks())
    lengths = [sum(len(b.samples) for b in blocks if b.channel == channel) for channel in (0, 1)]
    assert lengths[0] == lengths[1] == pytest.approx(len(left) * 2 / 3, rel=0.01)
    (warning,) = source.warnings
    assert "truncated" in warning


def test_blocks_have_the_asked_length_and_contiguous_times(tmp_path):
    source = FileSource(write_wav(tmp_path / "a.wav", tone(44_100, 0.333), 44_100), speed=0, block_ms=10)
    blocks = list(source.blocks())
    assert {len(block.samples) for block in blocks[:-1]} == {441}
    begin = 0
    for block in blocks:
        assert block.start_s == pytest.approx(begin / 44_100)
        assert block.gap_s == 0
        begin += len(block.samples)
    assert begin == round(0.333 * 44_100)


@pytest.mark.parametrize("block_ms", [0.1, 7, 1000, 5000])
def test_samples_do_not_depend_on_the_block_size(tmp_path, block_ms):
    path = write_wav(tmp_path / "a.wav", tone(16_000, 2.5), 16_000)
    assert np.array_equal(heard(FileSource(path, 0, block_ms)), heard(FileSource(path, 0, 20)))


def test_at_speed_1_a_file_lasts_as_long_as_it_is(tmp_path):
    source = FileSource(write_wav(tmp_path / "a.wav", tone(16_000, 0.4), 16_000), speed=1.0)
    assert source.live
    begin = time.monotonic()
    list(source.blocks())
    assert time.monotonic() - begin >= 0.4


def test_close_ends_a_file_that_plays_at_real_pace(tmp_path):
    source = FileSource(write_wav(tmp_path / "a.wav", tone(8_000, 60), 8_000), speed=1.0, block_ms=5000)
    ended = threading.Event()

    def play() -> None:
        list(source.blocks())
        ended.set()

    thread = threading.Thread(target=play)
    thread.start()
    source.close()
    source.close()
    assert ended.wait(30)  # the file takes a minute
    thread.join()


def test_close_before_blocks_leaves_nothing_to_hear(tmp_path):
    source = FileSource(write_wav(tmp_path / "a.wav", tone(8_000), 8_000), speed=0)
    source.close()
    assert list(source.blocks()) == []


def make_bad(kind: str, folder: Path) -> Path:
    path = folder / "bad.wav"
    if kind == "missing":
        return path
    if kind == "directory":
        path.mkdir()
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("This is no audio.\n" * 500)
    elif kind == "no samples":
        write_wav(path, np.zeros(0), 16_000)
    elif kind == "no audio stream":
        with av.open(str(folder / "silent.mp4"), "w") as container:
            pictures = container.add_stream("mpeg4", rate=10)
            pictures.width = pictures.height = 32
            container.mux(pictures.encode(av.VideoFrame(32, 32, "yuv420p")))
            container.mux(pictures.encode(None))
        return folder / "silent.mp4"
    elif kind == "playlist":
        write_wav(folder / "other.wav", tone(16_000), 16_000)
        path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/other.wav\n#EXT-X-ENDLIST\n")
    return path


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("missing", "no such file"),
        ("directory", "directory"),
        ("empty", "empty"),
        ("text", "not audio"),
        ("no samples", "holds no audio"),
        ("no audio stream", "no audio stream"),
        ("playlist", "not audio"),
    ],
)
def test_bad_input_is_one_sentence_with_the_mend_and_starts_nothing(tmp_path, capfd, kind, says):
    path = make_bad(kind, tmp_path)
    with pytest.raises(InputError) as caught:
        FileSource(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert says in message
    assert message.endswith((".", ")."))
    assert "\n" not in message
    assert caught.value.exit_code == EXIT_INPUT
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file")
def test_an_unreadable_file_is_said_to_be_one(tmp_path):
    path = write_wav(tmp_path / "a.wav", tone(16_000), 16_000)
    path.chmod(0)
    with pytest.raises(InputError, match="may not be read"):
        FileSource(path)


def test_a_permission_error_is_said_to_be_one(tmp_path, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match="chmod"):
        FileSource(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("name", "codec", "share"),
    [("a.mp3", "mp3", 0.5), ("a.flac", "flac", 0.5), ("a.opus", "libopus", 0.5), ("a.wav", "pcm_s16le", 0.3)],
)
def test_a_truncated_file_is_heard_as_far_as_it_goes_with_a_warning(tmp_path, capfd, name, codec, share):
    whole = encode(tmp_path / name, codec, 48_000, "mono", tone(48_000, 6.0))
    whole.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * share)])
    source = FileSource(whole, speed=0)
    length_s = len(heard(source)) / 48_000
    assert 6 * share - 1.5 < length_s < 6 * share + 1.0
    assert len(source.warnings) == 1
    assert f"truncated after {length_s:.1f} s" in source.warnings[0]
    assert capfd.readouterr() == ("", "")


def test_damage_in_the_middle_is_skipped_with_a_warning(tmp_path, capfd):
    path = encode(tmp_path / "a.mp3", "mp3", 44_100, "mono", tone(44_100, 4.0))
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 3000] = bytes(3000)
    path.write_bytes(data)
    source = FileSource(path, speed=0)
    assert len(heard(source)) > 2 * 44_100
    assert len(source.warnings) == 1
    assert capfd.readouterr() == ("", "")


def test_a_name_with_a_colon_is_no_protocol(tmp_path):
    path = write_wav(tmp_path / "http:odd name?.wav", tone(16_000), 16_000)
    source = FileSource(path, speed=0)
    assert source.name == "file:http:odd name?.wav"
    assert len(heard(source)) == 16_000


def test_read_samples_gives_the_whole_file_at_the_asked_rate(tmp_path):
    samples = read_samples(write_wav(tmp_path / "a.wav", tone(44_100, 2.0), 44_100), 16_000)
    assert len(samples) == 32_000
    assert np.abs(samples[1000:-1000] - tone(16_000, 2.0)[1000:-1000]).max() < 2e-3
