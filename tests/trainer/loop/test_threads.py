"""`--threads N` holds in every stage: none sets torch's threads itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.trainer.small_stages import SmallStages
from helpers.trainer.small_voices import KINDS, ROWS, SmallEncoder, voice_corpora

from trainer.compact.voice_features import VoiceCache
from trainer.loop import fit as loop


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> SmallStages:
    return SmallStages(tmp_path_factory.mktemp("stages"))


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


class FirstStepMade(Exception):
    pass


@pytest.mark.parametrize("stage", SmallStages(Path()).runs)
@pytest.mark.usefixtures("three_threads")
def test_a_stage_trains_with_the_threads_that_it_was_given(
    stages: SmallStages, stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if stage.startswith("merits-l"):
        assert stages.merits_l.is_dir()  # made now, under other threads than those that are asked for
    found: list[int] = []

    def step(*_: Any) -> float:
        found.append(torch.get_num_threads())
        raise FirstStepMade

    monkeypatch.setattr(loop, "_step", step)
    with pytest.raises(FirstStepMade):
        stages.runs[stage](tmp_path)
    assert found == [3]
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("processes", [1, 2])
def test_making_voice_statistics_leaves_the_threads_of_the_training(tmp_path: Path, processes: int) -> None:
    data = voice_corpora(tmp_path / "data")
    VoiceCache(tmp_path / "cache", 0, SmallEncoder()).voices(data, ["emodb"], 0, ROWS, KINDS, processes)
    assert torch.get_num_threads() == 3
