"""Several utterances through the encoders together: each as if it were alone."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from livemerc.model.checkpoint import read_manifest
from livemerc.model.encoders import Encoders, alike, choose_threads, load_model


@pytest.fixture(scope="module")
def encoders(checkpoint: Path) -> Encoders:
    return load_model(checkpoint, "cpu", 1)[1]


def test_a_batch_gives_what_each_gives_alone(encoders: Encoders) -> None:
    rng = np.random.default_rng(0)
    texts = ["hello", None, "sad w1 w2 w3 w4 w5 w6 w7 w8 w9", "great w3", None, "w1", "w1 w2"]
    voices = [
        None if n is None else rng.normal(0, 0.1, n).astype(np.float32)
        for n in (16_000, 17_000, None, 90_000, None, 300, 15_999)
    ]
    for (t1, s1), text, voice in zip(encoders.batch(texts, voices), texts, voices, strict=True):
        assert (t1 is None) == (text is None)
        assert (s1 is None) == (voice is None)
        if t1 is not None and text is not None:
            torch.testing.assert_close(t1, encoders.text([text])[0], atol=1e-5, rtol=0)
        if s1 is not None and voice is not None:
            torch.testing.assert_close(s1, encoders.speech(voice), atol=1e-4, rtol=0)


def test_nothing_gives_nothing(encoders: Encoders) -> None:
    assert encoders.batch([], []) == []
    assert encoders.batch([None], [None]) == [(None, None)]


@given(st.lists(st.integers(1, 400_000), max_size=50), st.integers(1, 8))
def test_groups_hold_everything_once_and_like_lengths(lengths: list[int], most: int) -> None:
    groups = alike(lengths, most)
    assert sorted(at for group in groups for at in group) == list(range(len(lengths)))
    for group in groups:
        assert 1 <= len(group) <= most
        assert max(lengths[at] for at in group) <= 1.25 * min(lengths[at] for at in group)


@pytest.mark.parametrize(("cores", "compact", "full"), [(1, 1, 1), (2, 1, 1), (6, 1, 3), (64, 1, 8)])
def test_threads_are_for_matrices_that_are_worth_them(cores: int, compact: int, full: int) -> None:
    manifest = read_manifest()
    assert choose_threads(manifest, cores) == compact
    wide = msgspec.structs.replace(manifest.text, config={**manifest.text.config, "hidden_size": 1024})
    assert choose_threads(msgspec.structs.replace(manifest, text=wide), cores) == full


def test_threads_that_are_asked_for_are_had(checkpoint: Path) -> None:
    load_model(checkpoint, "cpu", 2)
    assert torch.get_num_threads() == 2
    load_model(checkpoint, "cpu", 0)
    assert torch.get_num_threads() == 1
