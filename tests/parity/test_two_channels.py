"""Two people on the channels of one file: the same events live, offline and for every block size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import wav_file
from helpers.paths import DEMO
from helpers.settled import settled

from livemerc.audio.file_source import FileSource
from livemerc.audio.read import read_samples
from livemerc.audio.source import Block, Source
from livemerc.config import Config
from livemerc.events import Event, UtteranceFinal
from livemerc.pipeline.monitor import Monitor


@pytest.fixture(scope="module")
def config(configured: Callable[..., Config]) -> Config:
    return configured(asr__engine="none")


def run(source: Source, config: Config) -> list[Event]:
    return list(Monitor(source, config).events())


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo on the left, and its second half on the right: both speak at once, and neither in step."""
    left = read_samples(DEMO, 16_000, 0.0, 24.0)
    right = np.zeros_like(left)
    second = read_samples(DEMO, 16_000, 24.0, 40.0)
    right[: len(second)] = second[: len(right)]
    return wav_file.write(tmp_path_factory.mktemp("call") / "call.wav", np.stack([left, right], axis=1), 16_000)


def test_two_channels_are_one_dialogue_however_they_are_played(call: Path, config: Config) -> None:
    def events(speed: float, block_ms: float) -> list:
        return settled(run(FileSource(call, speed, block_ms, speakers=("ann", "ben")), config))

    reference = events(0, 20.0)
    finals = [event for event in reference if isinstance(event, UtteranceFinal)]
    assert {final.speaker for final in finals} == {"ann", "ben"}
    assert [final.utterance_id for final in finals] == [f"u{i + 1}" for i in range(len(finals))]
    for speed, block_ms in ((0, 7.0), (0, 1000.0), (8.0, 20.0), (8.0, 333.0)):
        assert events(speed, block_ms) == reference, (speed, block_ms)


class OneChannel(FileSource):
    """What one of the two would hear alone."""

    def __init__(self, path: Path, channel: int) -> None:
        super().__init__(path, 0, speakers=("ann", "ben"))
        self.speakers, self._only = (), channel

    def blocks(self) -> Iterator[Block]:
        return (replace(block, channel=0) for block in super().blocks() if block.channel == self._only)


def test_each_speaker_has_the_utterances_that_the_channel_alone_would_have(call: Path, config: Config) -> None:
    together = run(FileSource(call, 0, speakers=("ann", "ben")), config)
    for channel, speaker in enumerate(("ann", "ben")):
        alone = [e for e in run(OneChannel(call, channel), config) if isinstance(e, UtteranceFinal)]
        heard = [e for e in together if isinstance(e, UtteranceFinal) and e.speaker == speaker]
        assert [(e.start_s, e.end_s) for e in heard] == [(e.start_s, e.end_s) for e in alone]
