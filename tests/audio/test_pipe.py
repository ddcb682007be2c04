"""Files in a pipe that was promised raw samples: read as what they are, or refused with the mend."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from helpers import containers
from helpers.paths import DEMO
from hypothesis import given
from hypothesis import strategies as st

from livemerc.audio.pipe import Pipe, file_in
from livemerc.audio.stdin_source import StdinSource
from livemerc.errors import EXIT_INPUT, InputError

RATE_HZ = 16_000


def source_of(data: bytes) -> StdinSource:
    """A pipe into which somebody writes `data`, as slowly as it is read."""
    read, write = os.pipe()

    def pour() -> None:
        with contextlib.suppress(BrokenPipeError), os.fdopen(write, "wb") as out:
            out.write(data)

    threading.Thread(target=pour, daemon=True).start()
    return StdinSource(os.fdopen(read, "rb", buffering=0), RATE_HZ)


def heard(source: StdinSource) -> np.ndarray:
    try:
        return np.concatenate([block.samples for block in source.blocks()])
    finally:
        source._pipe._stream.close()


def encoded(folder: Path, name: str, *options: str) -> bytes:
    containers.ffmpeg("-t", "4", "-i", DEMO, *options, folder / name)
    return (folder / name).read_bytes()


@pytest.mark.parametrize(
    ("name", "options", "kind"),
    [
        ("a.wav", ("-ar", "44100", "-ac", "2"), "WAV"),
        ("a.aiff", (), "AIFF"),
        ("a.flac", (), "FLAC"),
        ("a.ogg", ("-c:a", "libopus"), "Ogg"),
        ("a.mkv", (), "Matroska"),
        ("a.webm", ("-c:a", "libopus"), "WebM"),
        ("a.mp3", (), "MP3"),
        ("a.mp3", ("-id3v2_version", "0", "-write_xing", "0"), "MP3"),
        ("a.aac", (), "AAC"),
        ("a.ts", (), "transport stream"),
        ("a.m4a", ("-movflags", "faststart"), "MP4"),
        ("a.mp4", ("-movflags", "frag_keyframe+empty_moov"), "MP4"),
    ],
)
def test_a_file_in_the_pipe_is_named_and_read_as_that(tmp_path, name, options, kind):
    source = source_of(encoded(tmp_path, name, *options))
    samples = heard(source)
    assert len(samples) / RATE_HZ == pytest.approx(4.0, abs=0.15)
    assert np.abs(samples).max() > 0.1
    (warning,) = source.warnings
    assert kind in warning
    assert "read as that file" in warning


def test_a_file_that_cannot_be_read_as_it_comes_is_refused_with_the_pipe_that_mends_it(tmp_path):
    containers.ffmpeg("-i", DEMO, "-c:a", "pcm_s16le", "-ar", "48000", tmp_path / "long.mov")  # its index stands last
    source = source_of((tmp_path / "long.mov").read_bytes())
    with pytest.raises(InputError, match=r"stdin holds a file \(MP4 or M4A\).*ffmpeg -i FILE .*--stdin") as caught:
        heard(source)
    assert caught.value.exit_code == EXIT_INPUT


def test_damaged_files_are_refused_too():
    with pytest.raises(InputError, match="FLAC"):
        heard(source_of(b"fLaC" + bytes(range(256)) * 40))


@pytest.mark.parametrize(
    "first", [b"\xff\xfb\x90\x00", b"\xff\xff\xff\xff", b"\xff\xf1\x50\x80", b"G\0\0\0", b"RIFF\0\0\0\0noth"]
)
def test_samples_that_begin_like_a_file_by_chance_are_samples(first):
    rng = np.random.default_rng(1)
    data = first + (2000 * rng.standard_normal(8000)).astype("<i2").tobytes()
    source = source_of(data)
    assert np.array_equal(heard(source) * 32768, np.frombuffer(data, "<i2"))
    assert source.warnings == []


@given(data=st.binary(max_size=3000))
def test_looking_takes_nothing_away(data):
    read, write = os.pipe()
    with os.fdopen(write, "wb") as out:
        out.write(data)
    with os.fdopen(read, "rb", buffering=0) as stream:
        pipe = Pipe(stream)
        file_in(pipe)
        found = b""
        while piece := pipe.read(100):
            found += piece
    assert found == data


def test_closing_ends_a_wait_for_a_file_that_does_not_come():
    read, write = os.pipe()
    with os.fdopen(write, "wb", buffering=0) as out, os.fdopen(read, "rb", buffering=0) as stream:
        source = StdinSource(stream, RATE_HZ)
        out.write(b"OggS")
        done = threading.Event()
        thread = threading.Thread(target=lambda: (list(source.blocks()), done.set()))
        thread.start()
        source.close()
        assert done.wait(30)
        thread.join()
