"""Recording: private, whole, placed in time; and whatever happens to the disk is said and stops nothing else."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from helpers.sessions import CHECKPOINT, HOSTILE, conversation

from livemerc.audio.read import read_samples
from livemerc.audio.source import Block
from livemerc.config import Config, RecordConfig
from livemerc.errors import ConfigError
from livemerc.events import UtterancePartial, encode
from livemerc.sessions import journal
from livemerc.sessions.folder import AUDIO_FILE, EVENTS_FILE, being_recorded, check_new, read_info
from livemerc.sessions.recorder import Recorder

RATE_HZ = 16_000
posix = pytest.mark.skipif(sys.platform == "win32", reason="modes, links and limits of POSIX")


def recorder(
    folder: Path,
    *,
    audio: bool = False,
    speakers: tuple[str, ...] = (),
    said: list[str] | None = None,
    live: bool = False,
) -> Recorder:
    config = Config(record=RecordConfig(consent="all agreed", retention_days=30))
    return Recorder(
        folder, source="test", rate_hz=RATE_HZ, speakers=speakers, live=live, checkpoint=CHECKPOINT, config=config,
        audio=audio, notice=None if said is None else said.append,
    )  # fmt: skip


def tone(seconds: float, level: float = 0.25) -> np.ndarray:
    return np.full(round(seconds * RATE_HZ), level, np.float32)


def heard(folder: Path) -> np.ndarray:
    return read_samples(folder / AUDIO_FILE, RATE_HZ)


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """The disk is full, as far as a process without privileges can have that."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def test_what_was_written_is_what_json_prints(tmp_path: Path) -> None:
    events = conversation(3, text=HOSTILE)
    with_header = recorder(tmp_path / "s")
    for event in events:
        with_header.write(event)
        # it is there at once, for whoever looks
        assert journal.read(tmp_path / "s").events[-1] == event
    with_header.close()
    assert (tmp_path / "s" / EVENTS_FILE).read_bytes() == b"".join(encode(e) + b"\n" for e in events)
    info = read_info(tmp_path / "s")
    assert (info.consent, info.retention_days, info.audio) == ("all agreed", 30, None)
    assert info.checkpoint == CHECKPOINT
    assert info.config["record"]["retention_days"] == 30
    assert not (tmp_path / "s" / AUDIO_FILE).exists()


@posix
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o777])
def test_nobody_else_may_look(tmp_path: Path, mask: int) -> None:
    with umask(mask):
        made = recorder(tmp_path / "deep" / "s", audio=True)
        made.close()
    for path in (tmp_path / "deep", tmp_path / "deep" / "s"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    files = list((tmp_path / "deep" / "s").iterdir())
    assert len(files) == 3
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)


@posix
def test_an_empty_folder_becomes_private_too(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir(0o755)
    made = recorder(tmp_path / "s")
    made.write(conversation(0)[0])
    made.close()
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o700


def test_nothing_is_ever_overwritten(tmp_path: Path) -> None:
    made = recorder(tmp_path / "s")
    made.write(conversation(0)[0])
    made.close()
    before = (tmp_path / "s" / EVENTS_FILE).read_bytes()
    with pytest.raises(ConfigError, match="there is a session in it already; give a new folder"):
        recorder(tmp_path / "s")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not empty"):
        check_new(tmp_path / "other")
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match="file"):
            recorder(path)
    with pytest.raises(ConfigError):
        recorder(Path("\0"))
    assert (tmp_path / "s" / EVENTS_FILE).read_bytes() == before


def test_what_was_never_begun_leaves_nothing_behind(tmp_path: Path) -> None:
    recorder(tmp_path / "s").close()
    assert not (tmp_path / "s").exists()


def test_the_header_tells_the_channels_and_their_speakers(tmp_path: Path) -> None:
    made = recorder(tmp_path / "s", audio=True, speakers=("Ann", "Bob"))
    made.audio(Block(tone(1.0), 0.0, channel=0))
    made.audio(Block(tone(1.0), 0.0, channel=1))
    made.close()
    info = read_info(tmp_path / "s")
    assert info.audio is not None
    assert (info.audio.channels, info.audio.speakers) == (2, ["Ann", "Bob"])
    assert len(heard(tmp_path / "s")) == RATE_HZ


@posix
def test_readers_know_whether_it_is_still_being_recorded(tmp_path: Path) -> None:
    made = recorder(tmp_path / "s")
    made.write(conversation(0)[0])
    assert being_recorded(tmp_path / "s")
    made.close()
    assert not being_recorded(tmp_path / "s")
    assert not being_recorded(tmp_path / "absent")


def test_more_channels_than_flac_has_are_refused_before_anything_is_heard(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="8 channels"):
        recorder(tmp_path / "s", audio=True, speakers=tuple("123456789"))
    assert not (tmp_path / "s").exists()


@posix
def test_a_full_disk_stops_the_recording_at_a_whole_line(tmp_path: Path) -> None:
    said: list[str] = []
    made = recorder(tmp_path / "s", said=said)
    events = conversation(20)
    with no_file_larger_than(4096):
        for event in events:
            made.write(event)
    made.write(events[-1])  # nothing more, even if there is room again
    made.close()
    found = journal.read(tmp_path / "s")
    assert found.warnings == []
    assert found.events == events[: len(found.events)]
    assert 3 < len(found.events) < len(events)
    assert len(said) == 1
    assert made.stopped == said[0]
    assert "recording stopped" in said[0]
    assert f"{len(found.events)} events" in said[0]


@posix
def test_a_full_disk_ends_the_audio_at_a_whole_frame(tmp_path: Path) -> None:
    said: list[str] = []
    made = recorder(tmp_path / "s", audio=True, said=said)
    made.write(conversation(0)[0])
    noise = (np.random.default_rng(0).standard_normal(RATE_HZ * 10) * 0.1).astype(np.float32)
    with no_file_larger_than(100_000):
        for number, piece in enumerate(np.array_split(noise, 500)):
            made.audio(Block(piece, number * 0.02))
        made.close()
    samples = heard(tmp_path / "s")
    assert RATE_HZ < len(samples) < len(noise)
    assert np.array_equal(samples, np.rint(noise[: len(samples)] * 32768).astype(np.float32) / 32768)
    assert len(said) == 1
    assert "of audio" in said[0]


@posix
def test_a_folder_that_vanishes_is_noticed(tmp_path: Path) -> None:
    said: list[str] = []
    made = recorder(tmp_path / "s", audio=True, said=said)
    events = conversation(2)
    made.write(events[0])
    shutil.rmtree(tmp_path / "s")
    made.write(events[1])
    made.audio(Block(tone(1.0), 0.0))
    made.close()
    assert len(said) == 1
    assert "removed" in said[0]
    assert not (tmp_path / "s").exists()


def test_a_folder_that_is_moved_is_recorded_on(tmp_path: Path) -> None:
    made = recorder(tmp_path / "s")
    events = conversation(1)
    made.write(events[0])
    (tmp_path / "s").rename(tmp_path / "moved")
    for event in events[1:]:
        made.write(event)
    made.close()
    assert made.stopped is None
    assert journal.read(tmp_path / "moved").events == events


def test_text_that_is_no_unicode_stops_the_recording_not_the_session(tmp_path: Path) -> None:
    said: list[str] = []
    made = recorder(tmp_path / "s", said=said)
    made.write(conversation(0)[0])
    made.write(UtterancePartial(utterance_id="u1", start_s=0.0, text="\ud800"))
    made.close()
    assert len(said) == 1
