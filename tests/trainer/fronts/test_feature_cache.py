"""The feature cache: computed once, whatever kills it; another configuration, broken files and bad audio are named."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.command_line import running
from helpers.paths import PROJECT
from helpers.trainer.tiny_merits_l import tiny_front, voices
from helpers.wav_file import write as write_wav

from livemerc.errors import ConfigError, InputError, LivemercError
from trainer.fronts.cache import FeatureCache
from trainer.fronts.items import Item


class Counting:
    """A front end that counts what it is asked; `poison`: an utterance of this many samples gives NaN."""

    modality = "speech"

    def __init__(self, front: Any, poison: int | None = None):
        self.front, self.poison, self.calls = front, poison, 0
        self.batches: list[list[int]] = []
        self.name, self.settings, self.fingerprint = front.name, front.settings, front.fingerprint

    def features(self, samples: Sequence[np.ndarray]) -> torch.Tensor:
        self.calls += len(samples)
        self.batches.append([len(s) for s in samples])
        out = self.front.features(samples)
        for row, utterance in enumerate(samples):
            if len(utterance) == self.poison:
                out[row, 0, 0] = float("nan")
        return out


@pytest.fixture(scope="module")
def front() -> Any:
    return tiny_front("wavlm-base-plus")


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    """Eight files and three stretches of a ninth; one without audio."""
    lengths = [0.4, 1.1, 0.2, 0.9, 0.5, 0.3, 0.8, 0.6]
    out = []
    for number, samples in enumerate(voices(*lengths)):
        path = tmp_path / f"clip{number}.wav"
        write_wav(path, samples, 16_000)
        out.append(Item(f"d/{number}", path))
    write_wav(tmp_path / "long.wav", voices(3.0, seed=5)[0], 16_000)
    out += [Item(f"long/{i}", tmp_path / "long.wav", float(i), i + 0.7) for i in range(3)]
    return [*out, Item("silent")]


def test_cached_features_are_fresh_features_and_a_second_run_only_reads(
    tmp_path: Path, front: Any, items: list[Item]
) -> None:
    from livemerc.audio.read import read_samples

    counting = Counting(front)
    seen: list[tuple[int, int]] = []
    report = FeatureCache(tmp_path / "cache", shard_size=4).extract(
        items, counting, batch=3, progress=lambda done, total: seen.append((done, total))
    )
    assert (report.computed, report.read, report.absent, report.skipped) == (11, 0, 1, [])
    assert counting.calls == 11
    assert seen[-1] == (11, 11)
    assert all(max(b) - min(b) <= 10_000 for b in counting.batches), "batches of like length"
    got = FeatureCache(tmp_path / "cache").get(items)
    assert got[-1] is None
    for item, cached in zip(items[:-1], got, strict=False):
        assert cached is not None
        fresh = front.features([read_samples(item.audio, 16_000, item.start_s, item.end_s)])[0]
        torch.testing.assert_close(cached, fresh, atol=2e-6, rtol=0)
    again = Counting(front)
    report = FeatureCache(tmp_path / "cache").extract(items, again)
    assert (again.calls, report.read, report.computed) == (0, 11, 0)


def test_keyed_by_content_not_by_path(tmp_path: Path, front: Any, items: list[Item]) -> None:
    cache = FeatureCache(tmp_path / "cache")
    cache.extract(items, front)
    moved = tmp_path / "elsewhere.wav"
    assert items[0].audio is not None
    moved.write_bytes(items[0].audio.read_bytes())
    counting = Counting(front)
    cache.extract([Item("other name", moved)], counting)
    assert counting.calls == 0
    write_wav(moved, voices(0.4, seed=9)[0], 16_000)  # the same name and length, other samples
    cache.extract([Item("other name", moved)], counting)
    assert counting.calls == 1
    assert cache.get([Item("x", items[0].audio, 0.0, 0.3)]) == [None], "another stretch is another utterance"


def test_a_cache_of_another_configuration_is_refused_by_what_differs(
    tmp_path: Path, front: Any, items: list[Item]
) -> None:
    cache = FeatureCache(tmp_path / "cache")
    cache.extract(items[:2], front)
    for other, what in (
        (tiny_front("hubert-base"), "frontend.name is wavlm-base-plus there and hubert-base here"),
        (tiny_front("wavlm-base-plus", layers=[1]), "frontend.chosen"),
        (tiny_front("wavlm-base-plus", seed=7), "the weights differ"),
    ):
        with pytest.raises(ConfigError, match=what):
            FeatureCache(tmp_path / "cache").extract(items, other)
    assert FeatureCache(tmp_path / "cache").get(items[:1])[0] is not None


def test_kill_in_mid_extraction_then_resume(tmp_path: Path, front: Any, items: list[Item]) -> None:
    program = tmp_path / "extract.py"
    program.write_text(
        "import sys, time\n"
        "from pathlib import Path\n"
        "sys.path[:0] = sys.argv[2:]\n"
        "from helpers.trainer.tiny_merits_l import tiny_front\n"
        "from trainer.fronts.cache import FeatureCache\n"
        "from trainer.fronts.items import Item\n"
        "front = tiny_front('wavlm-base-plus')\n"
        "features, made = front.features, []\n"
        "def slow(samples):\n"
        "    if len(made) == 7: print('seven', flush=True); time.sleep(600)\n"
        "    made.append(1)\n"
        "    return features(samples)\n"
        "front.features = slow\n"
        "folder = Path(sys.argv[1])\n"
        "items = [Item(f'd/{n}', folder / f'clip{n}.wav') for n in range(8)]\n"
        "FeatureCache(folder / 'cache', shard_size=2).extract(items, front, batch=1)\n"
    )
    paths = [str(PROJECT / "tests"), str(PROJECT)]
    with running([sys.executable, str(program), str(tmp_path), *paths], stderr=None, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "seven\n"
        process.kill()
    (tmp_path / "cache/half-written.999999999.part").write_bytes(b"x")
    counting = Counting(front)
    report = FeatureCache(tmp_path / "cache").extract(items, counting)
    assert report.read == 6, "three whole shards of two outlived the kill"
    assert counting.calls == 5
    assert not list((tmp_path / "cache").glob("*.part"))
    assert all(f is not None for f in FeatureCache(tmp_path / "cache").get(items[:-1]))


@pytest.mark.parametrize("damage", ["flipped", "truncated", "emptied"])
def test_a_corrupted_shard_is_named_then_mended(
    tmp_path: Path, front: Any, items: list[Item], damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    FeatureCache(tmp_path / "cache", shard_size=4).extract(items, front, batch=2)
    before = FeatureCache(tmp_path / "cache").get(items)
    shard = sorted((tmp_path / "cache").glob("*.safetensors"))[0]
    content = bytearray(shard.read_bytes())
    if damage == "flipped":
        content[-5] ^= 1
    else:
        content = content[: len(content) // 2 if damage == "truncated" else 0]
    shard.write_bytes(bytes(content))
    with pytest.raises(InputError, match=shard.name):
        FeatureCache(tmp_path / "cache").get(items)
    counting = Counting(front)
    report = FeatureCache(tmp_path / "cache").extract(items, counting)
    assert 0 < counting.calls < 11
    assert report.read + report.computed == 11
    assert shard.name in capsys.readouterr().err
    for old, new in zip(before, FeatureCache(tmp_path / "cache").get(items), strict=True):
        assert (old is None) == (new is None)
        if old is not None and new is not None:
            torch.testing.assert_close(new, old, atol=2e-6, rtol=0)


def test_features_that_are_not_finite_are_refused_by_name(tmp_path: Path, front: Any, items: list[Item]) -> None:
    poisoned = Counting(front, poison=round(0.9 * 16_000))
    with pytest.raises(LivemercError, match=r"d/3: .*not finite") as error:
        FeatureCache(tmp_path / "cache").extract(items, poisoned, batch=2)
    assert error.value.exit_code == 6
    kept = FeatureCache(tmp_path / "cache").get(items)
    assert kept[3] is None
    assert any(f is not None for f in kept), "work so far is kept"
    assert all(f is None or torch.isfinite(f).all() for f in kept)


def test_audio_that_does_not_decode_is_skipped_by_name_up_to_a_threshold(
    tmp_path: Path, front: Any, items: list[Item]
) -> None:
    (tmp_path / "noise.wav").write_bytes(b"RIFF nothing of the kind")
    write_wav(tmp_path / "nan.wav", voices(0.5)[0], 16_000)
    bad = [
        Item("bad/undecodable", tmp_path / "noise.wav"),
        Item("bad/gone", tmp_path / "gone.wav"),
        Item("bad/beyond", tmp_path / "long.wav", 50.0, 51.0),
    ]
    cache = FeatureCache(tmp_path / "cache")
    report = cache.extract([*items, *bad], front, max_bad_share=0.5)
    assert {name for name, _ in report.skipped} == {"bad/undecodable", "bad/gone", "bad/beyond"}
    assert report.computed == 11
    assert all(reason and "\n" not in reason for _, reason in report.skipped)
    assert cache.get(bad) == [None] * 3
    with pytest.raises(InputError, match=r"3 of 14 utterances .* too many"):
        cache.extract([*items, *bad], front, max_bad_share=0.1)
    assert FeatureCache(tmp_path / "cache").get(items[:1])[0] is not None


def test_a_full_disk_is_one_sentence_and_keeps_what_was_done(tmp_path: Path, front: Any, items: list[Item]) -> None:
    """A limit on the size of a file stands for the disk: both make a write fail half way."""
    FeatureCache(tmp_path / "probe", shard_size=2).extract(items[:2], front)
    small = max(f.stat().st_size for f in (tmp_path / "probe").glob("*.safetensors"))
    cache = FeatureCache(tmp_path / "cache", shard_size=2)
    cache.extract(items[:4], front, batch=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (small // 2, hard))
    try:
        with pytest.raises(LivemercError) as error:
            cache.extract(items, front, batch=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    said = str(error.value)
    assert error.value.exit_code == 6
    assert "cannot be written" in said
    assert "free some room" in said
    assert "\n" not in said
    assert not list((tmp_path / "cache").glob("*.part"))
    counting = Counting(front)
    report = FeatureCache(tmp_path / "cache").extract(items, counting)
    assert report.read == 4
    assert counting.calls == 7


def test_a_folder_that_is_no_cache_is_named(tmp_path: Path, items: list[Item], front: Any) -> None:
    with pytest.raises(InputError, match="extract features first"):
        FeatureCache(tmp_path / "nothing").get(items)
    (tmp_path / "settings.json").write_text("[]")
    with pytest.raises(InputError, match="remove the folder"):
        FeatureCache(tmp_path).get(items)
    (tmp_path / "settings.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(ConfigError, match="format 99"):
        FeatureCache(tmp_path).extract(items, front)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="name another"):
        FeatureCache(tmp_path / "file").extract(items, front)


def test_rows_are_written_while_it_runs(tmp_path: Path, front: Any, items: list[Item]) -> None:
    shards: list[int] = []
    folder = tmp_path / "cache"
    FeatureCache(folder, flush_s=0.0).extract(
        items, front, batch=2, progress=lambda *_: shards.append(len(list(folder.glob("*.safetensors"))))
    )
    assert shards[-1] >= 5
