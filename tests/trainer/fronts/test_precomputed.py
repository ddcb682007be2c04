"""Features from a file of the user's, such as CARE's."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from livemerc.errors import InputError, LivemercError, ModelError
from livemerc.model.speech_head import SpeechHead
from trainer.fronts.cache import FeatureCache
from trainer.fronts.encoders import build_speech_frontend
from trainer.fronts.items import Item


def care_arrays(names: list[str], semantic: bool = True) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {n: rng.standard_normal((13, 48)).astype(np.float32) for n in names}
    if semantic:
        arrays |= {f"{n}:semantic": rng.standard_normal(24).astype(np.float32) for n in names}
    return arrays


def write_care(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        save_file(arrays, path)
    return path


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_care_features_come_by_name_through_the_cache_to_the_head(tmp_path: Path, suffix: str) -> None:
    arrays = care_arrays(["dia0/utt0", "dia0/utt1", "dia1/utt0"])
    front = build_speech_frontend(f"care:{write_care(tmp_path / ('care' + suffix), arrays)}")
    assert (front.layers, front.dimension, front.extra, front.rows) == (13, 48, 24, 14)
    items = [Item("dia1/utt0"), Item("dia0/utt0"), Item("dia9/utt9")]
    cache = FeatureCache(tmp_path / "cache")
    report = cache.extract(items, front, max_bad_share=0.5)
    assert [name for name, _ in report.skipped] == ["dia9/utt9"]
    first, second, absent = cache.get(items)
    assert absent is None
    assert first is not None
    assert second is not None
    np.testing.assert_array_equal(first[:13].numpy(), arrays["dia1/utt0"])
    np.testing.assert_array_equal(second[13, :24].numpy(), arrays["dia0/utt0:semantic"])
    assert not second[13, 24:].any()
    head = SpeechHead({"layers": 13, "dimension": 48, "extra": 24, "labels": 4})
    assert head(torch.stack([first, second])).shape == (2, 256)


def test_a_care_file_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    def build(path: Path) -> Any:
        return build_speech_frontend(f"care:{path}")

    with pytest.raises(ModelError, match="cannot be read"):
        build(tmp_path / "gone.npz")
    for name in ("junk.npz", "junk.safetensors"):
        (tmp_path / name).write_bytes(b"junk" * 10)
        with pytest.raises(ModelError, match=name):
            build(tmp_path / name)
    with (tmp_path / "evil.npz").open("wb") as file:
        pickle.dump({"a": 1}, file)
    with pytest.raises(ModelError, match=r"evil\.npz"):
        build(tmp_path / "evil.npz")
    np.savez(tmp_path / "objects.npz", **{"d/0": np.array([{"a": 1}], object)})
    with pytest.raises(ModelError, match=r"objects\.npz"):
        build(tmp_path / "objects.npz")
    with pytest.raises(ModelError, match="holds no features"):
        build(write_care(tmp_path / "empty.npz", {}))
    with pytest.raises(ModelError, match=r"not \(layers, width\)"):
        build(write_care(tmp_path / "flat.npz", {"d/0": np.zeros(5, np.float32)}))
    partly = care_arrays(["a/0", "a/1"])
    del partly["a/1:semantic"]
    with pytest.raises(ModelError, match="a/1"):
        build(write_care(tmp_path / "partly.npz", partly))


def test_care_features_of_another_shape_or_not_finite_are_refused_by_name(tmp_path: Path) -> None:
    arrays = care_arrays(["a/0", "a/1"], semantic=False)
    arrays["a/1"] = arrays["a/1"][:5]
    front = build_speech_frontend(f"care:{write_care(tmp_path / 'odd.npz', arrays)}")
    with pytest.raises(InputError, match="a/1 has shape"):
        FeatureCache(tmp_path / "cache1").extract([Item("a/0"), Item("a/1")], front)
    arrays = care_arrays(["a/0", "a/1"], semantic=False)
    arrays["a/1"][3, 3] = np.nan
    front = build_speech_frontend(f"care:{write_care(tmp_path / 'nan.npz', arrays)}")
    with pytest.raises(LivemercError, match=r"a/1: .*not finite"):
        FeatureCache(tmp_path / "cache2").extract([Item("a/0"), Item("a/1")], front)
