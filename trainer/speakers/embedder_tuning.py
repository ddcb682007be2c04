"""Teaches GE2E to hear the voice and not the room: a short fine-tuning, for `tools/make_speaker_encoder.py`.

    loss = GE2E's softmax over voices + KEEP |e - e0|^2

The softmax of Wan et al. 2018 (arXiv 1710.10467, eq. 6, with a fixed scale and a margin): each window of a voice
against the means of all voices of the batch, of its own without itself. Windows of one voice are heard in other rooms,
noises and lines, so what those have in common is the voice. e0 is what the network gave before, of the window as it is:
readers are told apart as well as they were.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from livemerc.model.mel import HOP_SAMPLES, MelPower
from livemerc.speakers.embedder import without_pauses
from livemerc.speakers.network import DEPTH, MEL_BINS, WIDTH, WINDOW_FRAMES, levelled
from trainer.augment import add_noise, band, coloured_noise, reverberate
from trainer.corpora.speaker_split import part_of
from trainer.loop.fit import fit
from trainer.loop.stage import LAST_EPOCH, LoopOptions, Phase, Stage, adamw, warm_up_then_down
from trainer.speakers.taught_by import Voices, voices_of

SHARES = {"readers": 0.7, "emogator": 0.3}
"""How often a batch is of each corpus."""
STEPS = 300
_LEARNING_RATE = 1e-4
_WARM_UP = 50
_VOICES, _WINDOWS = 16, 4
_SCALE, _MARGIN, _KEEP = 20.0, 0.1, 2.0
_WINDOW = WINDOW_FRAMES * HOP_SAMPLES

Batch = tuple[Tensor, Tensor]
"""Windows as they are heard and as they are, each (voices * windows, 160, 40)."""


class TorchGe2e(nn.Module):
    """The network of `livemerc.speakers.network`, with gradients: mel powers (B, N, 40) -> (B, 256) of length 1."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(MEL_BINS, WIDTH, DEPTH, batch_first=True)
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, mel: Tensor) -> Tensor:
        _, (last, _) = self.lstm(mel)
        return F.normalize(F.relu(self.linear(last[-1])), dim=-1, eps=1e-5)


def tune(weights: dict[str, Tensor], data: Path, out: Path, *, steps: int = STEPS, seed: int = 0) -> dict[str, Tensor]:
    """Weights of `TorchGe2e` -> those taught by the voices of `data`. The run's files go to `out`: the same call goes
    on where the last one stopped. Raises the corpora's `InputError`."""
    torch.manual_seed(seed)
    network = TorchGe2e()
    network.load_state_dict(weights)
    before = copy.deepcopy(network).requires_grad_(False)
    # those of part A teach, as everywhere: on the others it is measured
    voices = voices_of(data, tuple(SHARES), without_pauses, lambda clip: part_of(clip) == "A")

    def loss(batch: Batch) -> Tensor:
        heard, plain = batch
        with torch.no_grad():
            kept = before(plain)
        found = network(heard)
        return apart(found) + _KEEP * (found - kept).square().sum(1).mean()

    rate = partial(warm_up_then_down, warm=_WARM_UP, total=steps)
    stage: Stage[Batch] = Stage(
        name="embedder", module=network, loss=loss, evaluate=dict, select=LAST_EPOCH, seed=seed,
        phases=[Phase(1, partial(_batches, voices, steps), adamw(_LEARNING_RATE, 0.0, rate), steps)],
    )  # fmt: skip
    fit(stage, out, LoopOptions(begun_with={"steps": steps, "seed": seed}))
    return {name: tensor.detach() for name, tensor in network.state_dict().items()}


def apart(embeddings: Tensor) -> Tensor:
    """(voices * windows, D), windows of a voice one after the other -> the loss: how badly voices are told apart."""
    each = embeddings.unflatten(0, (-1, _WINDOWS))
    total = each.sum(1)
    own = (each * F.normalize(total[:, None] - each, dim=-1)).sum(-1) - _MARGIN
    likeness = torch.einsum("vwd,cd->vwc", each, F.normalize(total, dim=-1))
    at = torch.arange(len(each))
    likeness = likeness.clone()
    likeness[at, :, at] = own
    return F.cross_entropy(_SCALE * likeness.flatten(0, 1), at.repeat_interleave(_WINDOWS))


def _batches(voices: Voices, steps: int, rng: np.random.Generator) -> Iterator[Batch]:
    mel = MelPower(MEL_BINS, "constant")
    corpora, shares = list(SHARES), np.array(list(SHARES.values()))

    def powers(samples: np.ndarray) -> Tensor:
        return mel(torch.from_numpy(levelled(samples)))[:, :WINDOW_FRAMES].T

    for _ in range(steps):
        of = voices[corpora[int(rng.choice(len(corpora), p=shares / shares.sum()))]]
        names = [list(of)[int(at)] for at in rng.permutation(len(of))[:_VOICES]]
        plain = [_window(of[name], rng) for name in names for _ in range(_WINDOWS)]
        heard = [_elsewhere(window, rng) for window in plain]
        yield torch.stack([powers(one) for one in heard]), torch.stack([powers(one) for one in plain])


def _window(clips: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """1.6 s of voice, of several clips where they are shorter."""
    said = [clips[int(rng.integers(len(clips)))]]
    while sum(map(len, said)) < _WINDOW:
        said.append(clips[int(rng.integers(len(clips)))])
    whole = np.concatenate(said)
    begin = int(rng.integers(len(whole) - _WINDOW + 1))
    return whole[begin : begin + _WINDOW]


def _elsewhere(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """In a room, in noise, on a telephone, in some of them, or in two windows of five as it is."""
    if rng.random() >= 0.6:
        return samples
    if rng.random() < 0.5:
        samples = reverberate(samples, float(rng.uniform(0.15, 0.8)), float(rng.uniform(-1.0, 14.0)), rng)
    if rng.random() < 0.7:
        noise = coloured_noise(len(samples), float(rng.uniform(0.0, 2.0)), rng)
        samples = add_noise(samples, noise, float(rng.uniform(8.0, 30.0)))
    return band(samples, 300.0, 3400.0) if rng.random() < 0.35 else samples
