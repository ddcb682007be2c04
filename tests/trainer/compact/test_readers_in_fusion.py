"""Stage III's neutral words: readers beside a draw of single clips, stretches that one of them reads, and what actors
say."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from helpers.paths import PROJECT
from helpers.trainer.small_compact import write_embeddings, write_text_features

from livemerc.errors import ConfigError
from trainer.compact.compose import ClipPool, clip_pools
from trainer.compact.config import FusionStage, read_stage
from trainer.compact.conversation import STRETCH, Composer
from trainer.compact.text_features import TextFeatures

STAGE = msgspec.structs.replace(read_stage(PROJECT / "configs/compact.toml", "fusion", FusionStage), soften=0.0)
IN_DIALOGUES, SINGLY = [0.0, 0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0]


@pytest.fixture
def text(tmp_path: Path) -> TextFeatures:
    return TextFeatures(write_text_features(tmp_path / "text.npz"))


@pytest.fixture
def pools(tmp_path: Path) -> dict[str, ClipPool]:
    return clip_pools(write_embeddings(tmp_path / "embeddings.npz"), STAGE.dev_actors)


def test_a_stretch_is_one_dialogue_of_neutral_words_by_readers(text: TextFeatures, pools: dict[str, ClipPool]) -> None:
    stage = msgspec.structs.replace(STAGE, mixture=IN_DIALOGUES, stretches=1.0)
    composer = Composer(text, pools, stage)
    read = {row.tobytes() for row in composer.readers.s1}
    neutral = {row.tobytes() for row in text.read_sentences}
    dialogues = [d for seed in range(20) for d in composer.draw(np.random.default_rng(seed))]
    assert {len(d) for d in dialogues} == set(range(*STRETCH))
    assert all((d.labels == 0).all() for d in dialogues)
    assert {row.tobytes() for d in dialogues for row in d.s1[d.has_speech]} <= read
    assert {row.tobytes() for d in dialogues for row in d.t1[d.has_text]} <= neutral


def test_without_stretches_the_course_is_the_dialogues_own(text: TextFeatures, pools: dict[str, ClipPool]) -> None:
    stage = msgspec.structs.replace(STAGE, mixture=IN_DIALOGUES, stretches=0.0)
    drawn = Composer(text, pools, stage).draw(np.random.default_rng(0))
    own = text.dialogues("train", "whisper")
    assert [d.labels.tolist() for d in drawn] == [d.labels.tolist() for d in own]


@pytest.mark.parametrize("mixture", [IN_DIALOGUES, SINGLY])
@pytest.mark.parametrize(("everyday", "least", "most"), [(0.0, 0, 0), (0.5, 1, 0.9), (1.0, 1, 1)])
def test_so_many_of_the_words_under_acted_voices_are_everyday_sentences(
    mixture: list[float], everyday: float, least: float, most: float, text: TextFeatures, pools: dict[str, ClipPool]
) -> None:
    stage = msgspec.structs.replace(STAGE, mixture=mixture, reading=0.0, stretches=0.0, everyday=everyday)
    drawn = Composer(text, pools, stage).draw(np.random.default_rng(0))
    words = [row.tobytes() for d in drawn for row in d.t1[d.has_text]]
    prose, said = ({row.tobytes() for row in rows} for rows in (text.read_sentences, text.everyday_sentences))
    assert set(words) <= prose | said
    assert (least > 0) <= sum(word in said for word in words) <= most * len(words)
    assert everyday < 1 or not prose & set(words)


@pytest.mark.parametrize(("reading", "least", "most"), [(0.0, 0, 0), (0.5, 1, 9), (2.0, 20, 20)])
def test_so_many_readers_come_with_a_draw_of_single_clips(
    reading: float, least: int, most: int, text: TextFeatures, pools: dict[str, ClipPool]
) -> None:
    stage = msgspec.structs.replace(STAGE, mixture=SINGLY, reading=reading)
    composer = Composer(text, pools, stage)
    drawn = composer.draw(np.random.default_rng(0))
    dialogues = len(text.dialogues("train", "whisper"))
    assert {len(d) for d in drawn} == {1}
    assert least <= len(drawn) - 6 * dialogues <= most


def test_readers_that_are_not_there_are_asked_for(text: TextFeatures, pools: dict[str, ClipPool]) -> None:
    actors = pools["train"].actor.astype(str)
    without = pools | {"train": pools["train"].only(~np.char.startswith(actors, "readers/"))}
    with pytest.raises(ConfigError, match="readers"):
        Composer(text, without, msgspec.structs.replace(STAGE, reading=0.0, stretches=0.1))
    Composer(text, without, msgspec.structs.replace(STAGE, reading=0.0, stretches=0.0))
