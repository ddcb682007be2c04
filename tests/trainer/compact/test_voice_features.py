"""The cache of voice statistics: made once, the same whatever the processes, whole after a kill, refused when other."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from helpers.trainer.small_voices import KINDS, ROWS, WIDTH, SmallEncoder, voice_corpora

from livemerc.errors import ConfigError, InputError, LivemercError
from trainer.compact.voice_features import VoiceCache, VoiceFeatures
from trainer.corpora.speaker_split import part_of
from trainer.corpora.voices import babble_clips, read_clips

CORPORA = ("emodb", "readers")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return voice_corpora(tmp_path_factory.mktemp("data"))


class Counting(SmallEncoder):
    calls = 0

    def statistics(self, clips: Sequence[np.ndarray]) -> torch.Tensor:
        Counting.calls += 1
        return super().statistics(clips)


@pytest.fixture
def counting() -> type[Counting]:
    Counting.calls = 0
    return Counting


def same(one: dict[str, VoiceFeatures], other: dict[str, VoiceFeatures]) -> bool:
    return one.keys() == other.keys() and all(
        np.array_equal(a, b) for name in one for a, b in zip(one[name].statistics, other[name].statistics, strict=True)
    )


def test_statistics_are_made_once_and_found_again(data: Path, tmp_path: Path, counting: type[Counting]) -> None:
    first = VoiceCache(tmp_path, 0, counting()).voices(data, CORPORA, 2, ROWS, KINDS)
    assert [c.clip_id for c in first["emodb"].clips] == [c.clip_id for c in read_clips(data, "emodb")]
    assert [v.shape for v in first["emodb"].statistics] == [(12, WIDTH)] * 3
    assert all(v.dtype == np.float16 for v in first["emodb"].statistics)
    clean, one, other = first["emodb"].statistics
    assert not np.array_equal(clean, one)
    assert not np.array_equal(one, other)
    made = counting.calls
    assert made == 3 * (12 + 4)
    assert same(VoiceCache(tmp_path, 0, counting()).voices(data, CORPORA, 2, ROWS, KINDS), first)
    assert counting.calls == made
    more = VoiceCache(tmp_path, 0, counting()).voices(data, CORPORA, 3, ROWS, KINDS)
    assert counting.calls == made + 12 + 4, "a further version is made, those that are there are kept"
    assert np.array_equal(more["emodb"].statistics[2], other)


def test_what_is_only_measured_on_is_not_augmented(data: Path, tmp_path: Path, counting: type[Counting]) -> None:
    first, other = CORPORA
    found = VoiceCache(tmp_path, 0, counting()).voices(data, CORPORA, 1, ROWS, KINDS, clean_only=[other])
    assert (len(found[first].statistics), len(found[other].statistics)) == (2, 1)
    assert counting.calls == 2 * len(found[first]) + len(found[other])


def test_conditions_depend_on_the_clips_name_and_not_on_order_or_processes(data: Path, tmp_path: Path) -> None:
    alone = VoiceCache(tmp_path / "1", 0, SmallEncoder()).voices(data, CORPORA, 1, ROWS, KINDS)
    parallel = VoiceCache(tmp_path / "2", 0, SmallEncoder(), shard_size=3).voices(
        data, reversed(CORPORA), 1, ROWS, KINDS, processes=2
    )
    assert same({name: parallel[name] for name in CORPORA}, alone)
    seeded = VoiceCache(tmp_path / "3", 1, SmallEncoder()).voices(data, CORPORA, 1, ROWS, KINDS)
    assert np.array_equal(seeded["emodb"].statistics[0], alone["emodb"].statistics[0])
    assert not np.array_equal(seeded["emodb"].statistics[1], alone["emodb"].statistics[1])


class Dying(SmallEncoder):
    """Kills its process in the middle of the work."""

    left = 20

    def statistics(self, clips: Sequence[np.ndarray]) -> torch.Tensor:
        Dying.left -= 1
        if Dying.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().statistics(clips)


def test_what_was_made_before_a_kill_is_kept(data: Path, tmp_path: Path, counting: type[Counting]) -> None:
    whole = VoiceCache(tmp_path / "whole", 0, SmallEncoder()).voices(data, CORPORA, 1, ROWS, KINDS)
    counting.calls = 0
    child = os.fork()
    if child == 0:
        try:
            VoiceCache(tmp_path / "cut", 0, Dying(), shard_size=4).voices(data, CORPORA, 1, ROWS, KINDS)
        finally:
            os._exit(1)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert same(VoiceCache(tmp_path / "cut", 0, counting()).voices(data, CORPORA, 1, ROWS, KINDS), whole)
    assert 0 < counting.calls <= 32 - 16, "four shards of four were on the disk"


def test_a_broken_shard_is_made_anew(
    data: Path, tmp_path: Path, counting: type[Counting], capsys: pytest.CaptureFixture[str]
) -> None:
    whole = VoiceCache(tmp_path, 0, counting(), shard_size=8).voices(data, CORPORA, 1, ROWS, KINDS)
    shard = min(tmp_path.glob("*.safetensors"))
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    counting.calls = 0
    assert same(VoiceCache(tmp_path, 0, counting()).voices(data, CORPORA, 1, ROWS, KINDS), whole)
    assert counting.calls == 8
    assert "truncated or changed" in capsys.readouterr().err


class Other(SmallEncoder):
    fingerprint: ClassVar[dict[str, Any]] = {"name": "another"}


def test_a_cache_that_was_made_otherwise_is_refused(data: Path, tmp_path: Path) -> None:
    VoiceCache(tmp_path, 0, SmallEncoder()).voices(data, ["emodb"], 0, ROWS, KINDS)
    with pytest.raises(ConfigError, match=r"was begun with encoder.name = 'small', now it is 'another'; name another"):
        VoiceCache(tmp_path, 0, Other()).voices(data, ["emodb"], 0, ROWS, KINDS)
    with pytest.raises(ConfigError, match="was begun with seed = 0, now it is 1"):
        VoiceCache(tmp_path, 1, SmallEncoder()).voices(data, ["emodb"], 0, ROWS, KINDS)
    (tmp_path / "settings.json").write_text("[")
    with pytest.raises(ConfigError, match="is no cache of voice statistics"):
        VoiceCache(tmp_path, 0, SmallEncoder()).voices(data, ["emodb"], 0, ROWS, KINDS)


class Broken(SmallEncoder):
    def statistics(self, clips: Sequence[np.ndarray]) -> torch.Tensor:
        return super().statistics(clips) * float("nan")


def test_a_clip_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    data = voice_corpora(tmp_path / "data")
    with pytest.raises(LivemercError, match=r"emodb/1neutral0\.opus: its voice statistics are not finite"):
        VoiceCache(tmp_path / "cache", 0, Broken()).voices(data, ["emodb"], 0, ROWS, KINDS)
    (data / "emodb/1neutral0.opus").write_text("no sound")
    with pytest.raises(InputError, match=r"emodb/1neutral0\.opus"):
        VoiceCache(tmp_path / "cache", 0, SmallEncoder()).voices(data, ["emodb"], 0, ROWS, KINDS)


def test_a_head_takes_of_the_cache_what_it_is_over(data: Path, tmp_path: Path, counting: type[Counting]) -> None:
    def of(rows: list[int], kinds: list[str]) -> np.ndarray:
        return VoiceCache(tmp_path, 0, counting()).voices(data, ["emodb"], 0, rows, kinds)["emodb"].statistics[0]

    everything = of([0, 1, 2], ["mean", "deviation"])
    assert everything.shape == (12, 72)
    made = counting.calls
    assert np.array_equal(of([2], ["deviation"]), everything[:, 60:])
    assert np.array_equal(of([1, 0], ["mean"]), np.hstack((everything[:, 24:36], everything[:, :12])))
    assert counting.calls == made
    with pytest.raises(
        ConfigError, match=r"the cache has rows \[0, 1, 2\] .* not \[3\] and \['mean'\]; choose of those"
    ):
        of([3], ["mean"])


def test_babble_is_of_readers_on_whom_nothing_is_measured(shared_data: Path) -> None:
    babble = babble_clips(shared_data)
    assert len({c.speaker for c in babble}) == 40
    assert {part_of(c) for c in babble} == {"A"}
    assert {c.corpus for c in babble} == {"readers"}
