"""Teaching GE2E to hear the voice and not the room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from livemerc.audio.read import read_samples
from livemerc.config import SAMPLE_RATE_HZ
from livemerc.speakers.embedder import windows, without_pauses
from livemerc.speakers.ge2e import ENCODER, WEIGHTS, Ge2eEmbedder
from livemerc.speakers.network import WINDOW_FRAMES
from trainer.speakers import embedder_tuning, taught_by
from trainer.speakers.embedder_tuning import TorchGe2e, apart, tune


def shipped() -> dict[str, torch.Tensor]:
    weights = load_file(WEIGHTS / ENCODER)
    return {name: tensor.float() for name, tensor in weights.items() if name not in ("centre", "scale")}


def test_its_network_is_the_one_that_ships(shared_data: Path) -> None:
    network, embedder = TorchGe2e(), Ge2eEmbedder()
    network.load_state_dict(shipped())
    path = min((shared_data / "speech" / "librispeech").glob("*.flac"))
    voiced = without_pauses(read_samples(path, SAMPLE_RATE_HZ, 1.0, 5.0))
    mel = windows(embedder._powers(voiced), WINDOW_FRAMES, 80)
    with torch.inference_mode():
        found = network(torch.from_numpy(mel)).numpy()
    assert found == pytest.approx(embedder.windows_of(voiced), abs=1e-4)


def test_the_loss_is_least_where_each_voice_is_by_itself() -> None:
    torch.manual_seed(0)
    voices = torch.nn.functional.normalize(torch.eye(5).repeat_interleave(4, 0) + 0.02 * torch.rand(20, 5), dim=1)
    mixed = voices[torch.randperm(20)]
    assert apart(voices).item() < 0.01 < 1.0 < apart(mixed).item()
    wandering = torch.nn.functional.normalize(torch.rand(20, 5), dim=1).requires_grad_()
    apart(wandering).backward()
    assert wandering.grad is not None
    assert wandering.grad.isfinite().all()


def test_a_step_changes_the_weights_a_little_and_the_same_seed_alike(
    tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedder_tuning, "SHARES", {"readers": 1.0})
    monkeypatch.setattr(taught_by, "MOST_CLIPS", 1)
    before = shipped()
    one, again = (tune(before, shared_data, tmp_path / name, steps=2, seed=1) for name in ("one", "again"))
    for name, tensor in one.items():
        assert torch.equal(tensor, again[name])
        assert 0 < (tensor - before[name]).abs().max() < 1e-2


def test_a_window_of_short_clips_is_whole() -> None:
    clips = [np.full(9_000, level, np.float32) for level in (0.1, 0.2)]
    window = embedder_tuning._window(clips, np.random.default_rng(0))
    assert len(window) == WINDOW_FRAMES * 160
