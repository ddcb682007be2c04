"""The Whisper's encoder in torch: against CTranslate2's own, and what its statistics depend on."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from helpers.paths import DEMO
from helpers.speech import noise
from hypothesis import given, settings
from hypothesis import strategies as st

from livemerc.audio.read import read_samples
from livemerc.model.checkpoint import VoiceEncoder
from livemerc.model.whisper_encoder import MARGIN_SAMPLES, Kind, Layout, WhisperEncoder

FILE = VoiceEncoder.shipped().path
KINDS: tuple[Kind, ...] = ("mean", "deviation", "delta")


@cache
def encoder(rows: tuple[int, ...], kinds: tuple[Kind, ...] = KINDS, peak: float | None = None) -> WhisperEncoder:
    return WhisperEncoder(FILE, Layout(rows, kinds, peak))


def spoken(seconds: float = 3.0) -> np.ndarray:
    return read_samples(DEMO, 16_000, 1.0, 1.0 + seconds)


def mel_of(samples: np.ndarray) -> torch.Tensor:
    mel = encoder((5,)).mel(torch.from_numpy(np.pad(samples, (0, MARGIN_SAMPLES))))
    return (torch.maximum(mel, mel.max() - 8) + 4)[None] / 4


def theirs(mel: torch.Tensor, compute_type: str) -> np.ndarray:
    from faster_whisper import WhisperModel

    model = WhisperModel(str(FILE.parent), device="cpu", compute_type=compute_type, cpu_threads=1)
    return np.asarray(model.encode(mel[0].numpy()))


# -- the same encoder ------------------------------------------------------------------------------------------------


def test_the_mel_is_that_of_faster_whisper() -> None:
    from faster_whisper.feature_extractor import FeatureExtractor

    samples = spoken()
    expected = FeatureExtractor(feature_size=80)(np.pad(samples, (0, MARGIN_SAMPLES)), padding=0)
    np.testing.assert_allclose(mel_of(samples)[0].numpy(), expected, atol=1e-4)


def test_the_last_states_are_those_of_ctranslate2() -> None:
    mel = mel_of(spoken())
    with torch.inference_mode():
        ours = encoder((5,)).network(mel, -(-mel.shape[2] // 2))[-1].numpy()
    np.testing.assert_allclose(ours, theirs(mel, "float32"), atol=2e-3)
    # int8 rounds what goes into each product, too: near, not the same
    away = ours - theirs(mel, "int8")
    assert np.sqrt(np.square(away).mean()) < 0.1 * ours.std()


# -- its statistics --------------------------------------------------------------------------------------------------


def test_figures_are_those_of_the_clips_own_frames_row_by_row() -> None:
    samples = spoken()[:33_333]
    frames = -(-len(samples) // 320)
    with torch.inference_mode():
        rows = [row[0].numpy() for row in encoder((0, 2, 5)).network(mel_of(samples), frames)]
    assert len(rows) == 6
    expected = [
        figure
        for row in (rows[0], rows[2], rows[5])
        for figure in (row.mean(0), row.std(0), np.diff(row, axis=0).std(0))
    ]
    (found,) = encoder((0, 2, 5)).statistics([samples])
    assert found.shape == (encoder((0, 2, 5)).width,) == (3 * 3 * 384,)
    np.testing.assert_allclose(found.numpy(), np.concatenate(expected), atol=2e-4, rtol=1e-4)
    (some,) = encoder((2,), ("deviation",)).statistics([samples])
    np.testing.assert_allclose(some.numpy(), rows[2].std(0), atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("row", [1, 3, 4])
def test_means_alone_are_the_same_means(row: int) -> None:
    for samples in (spoken()[:33_333], noise(11.0, -25)):
        (alone,) = encoder((row - 1, row), ("mean",)).statistics([samples])
        (among,) = encoder((row - 1, row), ("mean", "deviation")).statistics([samples])
        expected = among.unflatten(0, (2, 2, -1))[:, 0].flatten()
        torch.testing.assert_close(alone, expected, atol=2e-4, rtol=1e-3)


@settings(max_examples=8)
@given(st.lists(st.integers(1, 30_000), min_size=1, max_size=4), st.integers(0, 99))
def test_a_clip_has_its_own_figures_whoever_comes_with_it(lengths: list[int], seed: int) -> None:
    clips = [noise(2.0, -25, seed=seed + i)[:length] for i, length in enumerate(lengths)]
    together = encoder((0, 1, 2)).statistics(clips)
    assert bool(together.isfinite().all())
    for row, clip in zip(together, clips, strict=True):
        torch.testing.assert_close(encoder((0, 1, 2)).statistics([clip])[0], row, atol=1e-5, rtol=0)


def test_a_long_clip_is_encoded_in_parts_that_all_count() -> None:
    part = noise(Layout((1,)).part_s, -25)
    (one,) = encoder((0, 1)).statistics([part])
    (two,) = encoder((0, 1)).statistics([np.concatenate([part, part])])
    torch.testing.assert_close(two, one, atol=1e-4, rtol=1e-3)
    (other,) = encoder((0, 1)).statistics([np.concatenate([part, 0.1 * part])])
    assert (other - one).abs().max() > 0.01
    whole = WhisperEncoder(FILE, Layout((0, 1), KINDS, part_s=12.0))
    assert (whole.statistics([np.concatenate([part, part])])[0] - two).abs().max() > 0.01


def test_with_a_peak_a_level_means_nothing_and_without_it_does() -> None:
    samples = spoken()
    for peak, alike in ((1.0, True), (None, False)):
        loud, soft = encoder((0, 1), peak=peak).statistics([samples, 0.05 * samples])
        assert torch.allclose(loud, soft, atol=1e-3, rtol=1e-3) == alike


def test_states_are_the_frames_of_the_figures_and_those_of_the_clip_that_was_heard_last_are_there() -> None:
    own, beside, clip = encoder((1, 2), peak=1.0), encoder((1, 2, 3), ("mean",), 1.0), spoken()
    figures = beside.statistics([clip])
    found = beside.states(clip, (1, 2))
    assert found.shape == (150, 2 * 384)
    assert found.mean(0).tolist() == pytest.approx(figures[0, : 2 * 384].tolist(), abs=1e-4)
    assert torch.allclose(found, own.states(clip.copy(), (1, 2)), atol=1e-3)
    assert torch.allclose(own.states(clip, (2,)), found[:, 384:], atol=1e-3)
    assert torch.equal(beside.statistics([spoken(2.0), clip])[1], figures[0])  # another clip between changes nothing


def test_states_are_had_of_rows_that_keep_their_frames_and_of_clips_that_are_treated_alike() -> None:
    beside = encoder((1, 2, 3), ("mean",), 1.0)
    assert beside.has_states((1, 2), 1.0, 5.0)
    assert not beside.has_states((1, 3), 1.0, 5.0)  # of the last one there is the mean alone
    assert encoder((1, 2, 3), peak=1.0).has_states((1, 3), 1.0, 5.0)
    assert not beside.has_states((1, 2), None, 5.0)
    assert not beside.has_states((1, 2), 1.0, 12.0)


@pytest.mark.parametrize(("rows", "layers", "norm"), [((0,), 0, False), ((2, 0), 2, False), ((4,), 4, False),
                                                      ((5, 1), 4, True)])  # fmt: skip
def test_layers_that_no_row_needs_are_not_there(rows: tuple[int, ...], layers: int, norm: bool) -> None:
    network = encoder(rows).network
    assert (len(network.layers), network.norm is not None) == (layers, norm)


def test_it_is_never_trained() -> None:
    one = encoder((1,)).train()
    assert not one.training
    assert not any(parameter.requires_grad for parameter in one.parameters())


@pytest.mark.parametrize("layout", [Layout(()), Layout((6,)), Layout((-1,)), Layout((1,), ())])
def test_rows_that_it_lacks_are_refused(layout: Layout) -> None:
    with pytest.raises(ValueError, match="rows"):
        WhisperEncoder(FILE, layout)


@pytest.mark.parametrize("part_s", [0.0, -1.0, 30.0])
def test_parts_without_positions_are_refused(part_s: float) -> None:
    with pytest.raises(ValueError, match="positions"):
        WhisperEncoder(FILE, Layout((1,), part_s=part_s))


@pytest.mark.parametrize("clip", [np.zeros(0, np.float32), np.zeros((2, 2), np.float32)])
def test_no_clip_is_refused(clip: Any) -> None:
    with pytest.raises(ValueError, match="non-empty"):
        encoder((0,)).statistics([clip])
