"""Front ends that bring their own features: CARE from a file, and the Whisper encoder that ASR runs anyway."""

from __future__ import annotations

import hashlib
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from full_size import voices
from safetensors.numpy import save_file

from livemerc.errors import InputError, LivemercError, ModelError
from livemerc.model.speech_head import SpeechHead
from trainer.fronts.cache import FeatureCache, Item
from trainer.fronts.encoders import build_speech_frontend


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


def test_whisper_features_depend_on_the_utterance_alone(random_whisper: Path) -> None:
    front = build_speech_frontend(f"whisper:{random_whisper}")
    assert (front.layers, front.dimension) == (1, 64)
    samples = voices(1.0, 0.05, 4.0, 0.001)
    together = front.features(samples)
    assert together.shape == (4, 1, 64)
    for row, utterance in enumerate(samples):
        torch.testing.assert_close(front.features([utterance])[0], together[row], atol=1e-6, rtol=0)
    assert (together[0] - together[2]).abs().max() > 1e-3
    assert front.fingerprint == build_speech_frontend(f"whisper:{random_whisper}").fingerprint


def test_a_whisper_is_named_by_its_content_and_never_by_its_place(
    random_whisper: Path, other_whisper: Path, tmp_path: Path
) -> None:
    front = build_speech_frontend(f"whisper:{random_whisper}")
    moved = shutil.copytree(random_whisper, tmp_path / "my whisper")
    same = build_speech_frontend(f"whisper:{moved}")
    assert same.fingerprint == front.fingerprint
    assert same.config == {**front.config, "name": "my_whisper"}
    assert str(tmp_path) not in str(same.config)
    assert front.config["model_sha256"] == hashlib.sha256((moved / "model.bin").read_bytes()).hexdigest()
    other = build_speech_frontend(f"whisper:{other_whisper}")
    assert other.fingerprint != front.fingerprint


def test_what_is_cached_is_made_in_the_pass_that_the_words_come_from(random_whisper: Path) -> None:
    """By the library itself: the states that its `transcribe` hands to the decoder, averaged, are the feature."""
    from faster_whisper import WhisperModel

    front = build_speech_frontend(f"whisper:{random_whisper}")
    utterance = voices(2.2)[0]
    whisper = WhisperModel(str(random_whisper), device="cpu", cpu_threads=1, local_files_only=True)
    passes: list[Any] = []
    encode = whisper.encode

    def watched(features: np.ndarray) -> Any:
        passes.append(encode(features))
        return passes[-1]

    whisper.encode = watched
    segments, _ = whisper.transcribe(
        utterance, language="en", beam_size=1, temperature=0.0, without_timestamps=True,
        condition_on_previous_text=False, log_prob_threshold=None, compression_ratio_threshold=None,
        no_speech_threshold=None,
    )  # fmt: skip
    list(segments)
    (states,) = passes
    expected = np.asarray(states)[0, :110].mean(0)  # 2.2 s in frames of 20 ms
    np.testing.assert_allclose(front.features([utterance])[0, 0].numpy(), expected, atol=1e-5)


def test_longer_than_whisper_s_window(random_whisper: Path) -> None:
    """One mel, cut into windows: as the library decodes it."""
    front = build_speech_frontend(f"whisper:{random_whisper}")
    long = np.tile(voices(15.0)[0], 3)  # the same peak in both windows, so that cutting first is the same
    first, second = front.features([long[:480_000]])[0], front.features([long[480_000:]])[0]
    torch.testing.assert_close(front.features([long])[0], (first * 2 + second) / 3, atol=2e-3, rtol=0)
