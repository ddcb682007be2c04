"""What a voice sounds like: the network, its weights, and what it must not hear."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from livemerc.audio.read import read_samples
from livemerc.config import SAMPLE_RATE_HZ
from livemerc.errors import ModelError
from livemerc.speakers.embedder import LEAST_S, sounding, windows, without_pauses
from livemerc.speakers.ge2e import ENCODER, LIMITS, STEP_FRAMES, WEIGHTS, Ge2eEmbedder
from livemerc.speakers.network import WINDOW_FRAMES


@pytest.fixture(scope="module")
def readers(shared_data: Path) -> dict[str, list[np.ndarray]]:
    """Three clips of 3 s of each of four readers."""
    found: dict[str, list[np.ndarray]] = {}
    for path in sorted((shared_data / "speech" / "librispeech").glob("*.flac")):
        clips = found.setdefault(path.name.split("-")[0], [])
        if len(clips) < 3:
            clips.append(read_samples(path, SAMPLE_RATE_HZ, 1.0, 4.0))
    return dict(list(found.items())[:4])


def test_the_network_is_the_lstm_that_its_weights_are_of(embedder: Ge2eEmbedder) -> None:
    weights = load_file(WEIGHTS / ENCODER)
    lstm = torch.nn.LSTM(40, 256, 3, batch_first=True)
    lstm.load_state_dict({n.removeprefix("lstm."): w.float() for n, w in weights.items() if n.startswith("lstm.")})
    voiced = hiss(3.0)
    with torch.inference_mode():
        mel = torch.from_numpy(windows(embedder._powers(voiced), WINDOW_FRAMES, STEP_FRAMES))
        _, (state, _) = lstm(mel)
        linear = torch.nn.functional.linear(state[-1], weights["linear.weight"].float(), weights["linear.bias"].float())
        mean = torch.nn.functional.normalize(torch.relu(linear)).mean(0)
    assert embedder.encode(voiced) == pytest.approx((mean / mean.norm()).numpy(), abs=1e-4)


def test_a_course_is_the_same_however_much_of_it_is_asked_for_first(embedder: Ge2eEmbedder) -> None:
    whole, coarse_first = (embedder.course(hiss(3.0), 1.0, 0.2) for _ in range(2))
    coarse = coarse_first.every(3)
    assert coarse == pytest.approx(whole.every(1)[::3], abs=1e-4)
    assert coarse_first.every(1) == pytest.approx(whole.every(1), abs=1e-4)


def test_a_voice_strays_where_another_follows(embedder: Ge2eEmbedder, readers: dict[str, list[np.ndarray]]) -> None:
    (one, *_), (other, *_), *_ = readers.values()
    alone, both = embedder.embed(one), embedder.embed(np.concatenate((one, other)))
    assert alone is not None
    assert both is not None
    assert alone.strays is not None
    assert both.strays is not None
    assert both.strays > LIMITS.strays
    assert both.strays > alone.strays
    short = embedder.embed(one[:SAMPLE_RATE_HZ])
    assert short is not None
    assert short.strays is None


def hiss(seconds: float, level: float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (level * rng.standard_normal(round(seconds * SAMPLE_RATE_HZ))).astype(np.float32)


def test_a_reader_is_nearer_to_themselves_than_to_others(
    embedder: Ge2eEmbedder, readers: dict[str, list[np.ndarray]]
) -> None:
    points = {name: [embedder.embed(clip) for clip in clips] for name, clips in readers.items()}
    own, others = [], []
    for name, mine in points.items():
        for other, theirs in points.items():
            for a in mine:
                for b in theirs:
                    if a is not None and b is not None and a is not b:
                        (own if name == other else others).append(float(np.linalg.norm(a.x - b.x)))
    assert max(own) < np.median(others)
    assert np.median(own) < min(others)


def test_neither_level_nor_silence_makes_another_voice(
    embedder: Ge2eEmbedder, readers: dict[str, list[np.ndarray]]
) -> None:
    clip = next(iter(readers.values()))[0]
    silence = np.zeros(SAMPLE_RATE_HZ, np.float32)
    plain = embedder.embed(clip)
    assert plain is not None
    for changed in (clip * np.float32(0.05), np.concatenate((silence, clip, silence))):
        again = embedder.embed(changed)
        assert again is not None
        assert np.linalg.norm(again.x - plain.x) < 0.25 * np.linalg.norm(plain.x)
        assert again.voiced_s == pytest.approx(plain.voiced_s, abs=0.4)


@pytest.mark.parametrize(
    "samples", [np.zeros(0, np.float32), np.zeros(SAMPLE_RATE_HZ, np.float32), hiss(LEAST_S - 0.1)]
)
def test_too_little_voice_has_no_point(embedder: Ge2eEmbedder, samples: np.ndarray) -> None:
    assert embedder.embed(samples) is None


@pytest.mark.parametrize("seconds", [0.5, 1.6, 3.0, 40.0])
def test_every_length_has_a_finite_point(embedder: Ge2eEmbedder, seconds: float) -> None:
    point = embedder.embed(hiss(seconds))
    assert point is not None
    assert point.x.shape == (256,)
    assert np.isfinite(point.x).all()


def test_pauses_are_left_out() -> None:
    pause = hiss(1.0, 1e-4)
    samples = np.concatenate((hiss(1.0), pause, hiss(1.0)))
    assert len(without_pauses(samples)) == pytest.approx(2.0 * SAMPLE_RATE_HZ, rel=0.15)
    assert not sounding(np.zeros(SAMPLE_RATE_HZ, np.float32)).any()
    assert sounding(hiss(1.0)).all()


def test_weights_that_are_missing_or_damaged_are_told_with_the_mend(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="install livemerc anew"):
        Ge2eEmbedder(tmp_path)
    (tmp_path / "ge2e.safetensors").write_bytes(b"no weights")
    with pytest.raises(ModelError, match="cannot be read"):
        Ge2eEmbedder(tmp_path)
    shutil.copy(WEIGHTS / ENCODER, tmp_path)
    (tmp_path / "ge2e.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelError, match="cannot be read"):
        Ge2eEmbedder(tmp_path)
