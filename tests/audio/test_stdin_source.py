from __future__ import annotations

import io
import os
import threading

import numpy as np
import pytest

from livemerc.audio.stdin_source import StdinSource
from livemerc.errors import InputError


def piped(data: bytes) -> io.FileIO:
    read, write = os.pipe()
    with os.fdopen(write, "wb") as out:
        out.write(data)
    return os.fdopen(read, "rb", buffering=0)


def test_samples_come_in_blocks_timed_by_their_count():
    pcm = np.arange(-2000, 2000, dtype="<i2")
    with piped(pcm.tobytes()) as stream:
        blocks = list(StdinSource(stream, 8_000, block_ms=100).blocks())
    assert [len(block.samples) for block in blocks] == [800] * 5
    assert [block.start_s for block in blocks] == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    assert np.array_equal(np.concatenate([block.samples for block in blocks]), pcm.astype(np.float32) / 32768)


def test_pieces_that_split_a_sample_are_joined():
    read, write = os.pipe()
    pcm = np.arange(1000, dtype="<i2").tobytes()

    def dribble() -> None:
        with os.fdopen(write, "wb", buffering=0) as out:
            for at in range(0, len(pcm), 333):
                out.write(pcm[at : at + 333])

    thread = threading.Thread(target=dribble)
    thread.start()
    with os.fdopen(read, "rb", buffering=0) as stream:
        samples = np.concatenate([block.samples for block in StdinSource(stream, 16_000).blocks()])
    thread.join()
    assert np.array_equal(samples, np.arange(1000) / np.float32(32768))


def test_an_odd_last_byte_is_left_out_with_a_warning():
    with piped(b"\x01\x00\x02") as stream:
        source = StdinSource(stream, 16_000)
        assert sum(len(block.samples) for block in source.blocks()) == 1
    assert len(source.warnings) == 1
    assert "odd" in source.warnings[0]


@pytest.mark.parametrize("data", [b"", b"\x01"])
def test_no_sample_at_all_is_an_input_error(data):
    with piped(data) as stream, pytest.raises(InputError, match="holds no audio"):
        list(StdinSource(stream, 16_000).blocks())


def test_close_unblocks_a_pipe_that_says_nothing():
    read, write = os.pipe()
    with os.fdopen(read, "rb", buffering=0) as stream:
        source = StdinSource(stream, 16_000)
        ended = threading.Event()

        def listen() -> None:
            list(source.blocks())
            ended.set()

        thread = threading.Thread(target=listen)
        thread.start()
        assert not ended.wait(0.2)
        source.close()
        source.close()
        assert ended.wait(60)
        thread.join()
    os.close(write)


def test_an_absurd_rate_is_refused():
    with pytest.raises(InputError, match="--rate"):
        StdinSource(io.BytesIO(), 0)
