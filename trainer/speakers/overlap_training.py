"""Teaches the detector of overlaps that ships: `livemerc-train teach-overlaps`.

Mixtures are drawn and heard by Whisper's encoder once; then a small network learns from its states what each frame of
20 ms holds. The encoder is never trained. What it is measured on is made of LibriSpeech's readers, who teach nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import Tensor
from torch.nn import functional as F

from livemerc.model.whisper_encoder import WhisperEncoder
from livemerc.speakers.overlap import OVERLAP, SETTINGS, OverlapSettings, encoder_of, network_of
from trainer.loop.fit import fit
from trainer.loop.progress import Progress
from trainer.loop.saving import save_json
from trainer.loop.stage import LAST_EPOCH, LoopOptions, Phase, Stage, adamw, warm_up_then_down
from trainer.speakers.conversations import spoken
from trainer.speakers.overlap_mixtures import UNKNOWN, mixture
from trainer.speakers.taught_by import Voices, voices_of

SETTINGS_TAUGHT = OverlapSettings(
    rows=(1, 2), peak=1.0, part_s=5.0, dimension=384, width=96, depth=4, low=0.4, high=0.7, least_s=0.2
)
SHARES = {"readers": 0.5, "ravdess": 0.14, "nemo": 0.12, "emovo": 0.08, "rakshak": 0.06, "emogator": 0.06, "read": 0.04}
"""How often a voice is one of each corpus."""
JUDGED = "librispeech"
JUDGED_MIXTURES = 400
_BATCH = 24
_LEARNING_RATE = 1e-3
_WEIGHT_DECAY = 0.02
_WARM_UP = 100


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """`states`: (T, rows * D) float16 of a mixture; `speaking`: (T,), its classes."""

    states: np.ndarray
    speaking: np.ndarray


def run(data: Path, out: Path, *, mixtures: int, epochs: int, seed: int) -> list[str]:
    """Writes overlap.safetensors and overlap.json into `out`, and the run's files; returns the figures as rows. Raises
    the corpora's `InputError`."""
    torch.manual_seed(seed)
    settings = SETTINGS_TAUGHT
    encoder = encoder_of(settings)
    taught = pieces(voices_of(data, tuple(SHARES), spoken), SHARES, encoder, mixtures, seed)
    judged = pieces(voices_of(data, (JUDGED,), spoken), {JUDGED: 1.0}, encoder, JUDGED_MIXTURES, seed + 1)
    network = network_of(settings)
    steps = -(-len(taught) // _BATCH)

    def evaluate() -> dict[str, float]:
        network.eval()
        return figures(network, judged)

    def loss(batch: tuple[Tensor, Tensor]) -> Tensor:
        states, speaking = batch
        return F.cross_entropy(network(states).flatten(0, 1), speaking.flatten(), ignore_index=UNKNOWN)

    rate = partial(warm_up_then_down, warm=_WARM_UP, total=epochs * steps)
    stage: Stage[tuple[Tensor, Tensor]] = Stage(
        name="overlap", module=network, loss=loss, evaluate=evaluate, select=LAST_EPOCH, seed=seed,
        phases=[Phase(epochs, partial(_batches, taught), adamw(_LEARNING_RATE, _WEIGHT_DECAY, rate), steps)],
    )  # fmt: skip
    begun_with = msgspec.to_builtins(settings) | {"mixtures": mixtures, "epochs": epochs, "seed": seed}
    found = fit(stage, out, LoopOptions(begun_with=begun_with))
    save(network, settings, out)
    return [f"{name} {value:.3f}" for name, value in found.items() if isinstance(value, float)]


def pieces(
    voices: Voices,
    shares: dict[str, float],
    encoder: WhisperEncoder,
    count: int,
    seed: int,
) -> list[Piece]:
    """`count` mixtures, heard by `encoder`; the same for the same seed."""
    pool = {
        f"{corpus} {name}": [clip.astype(np.float16) for clip in clips]
        for corpus, of in voices.items()
        for name, clips in of.items()
    }
    weights = np.array([shares[corpus] / len(of) for corpus, of in voices.items() for _ in of])
    found = []
    with Progress("mixtures", 0, count, unit="mixture") as progress:
        for number in range(count):
            made = mixture(pool, weights / weights.sum(), np.random.default_rng([seed, number]))
            states = encoder.states(made.samples, encoder.layout.rows).numpy().astype(np.float16)
            frames = min(len(states), len(made.speaking))
            found.append(Piece(states[:frames], made.speaking[:frames]))
            progress.update(number + 1)
    return found


def _batches(taught: Sequence[Piece], rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Those of about the same length together, in a random order."""
    jittered = np.array([len(piece.speaking) for piece in taught]) * rng.uniform(0.9, 1.1, len(taught))
    rows = np.array_split(np.argsort(jittered), -(-len(taught) // _BATCH))
    for at in rng.permutation(len(rows)):
        batch = [taught[i] for i in rows[at]]
        states = [torch.from_numpy(piece.states.astype(np.float32)) for piece in batch]
        speaking = [torch.from_numpy(piece.speaking) for piece in batch]
        pad = torch.nn.utils.rnn.pad_sequence
        yield pad(states, batch_first=True), pad(speaking, batch_first=True, padding_value=UNKNOWN)


@torch.no_grad()
def figures(network: torch.nn.Module, judged: Sequence[Piece]) -> dict[str, float]:
    """Average precision and area under the curve of "several", frame by frame."""
    several = [network(torch.from_numpy(p.states.astype(np.float32))[None])[0].softmax(-1)[:, -1] for p in judged]
    said, truth = torch.cat(several).numpy(), np.concatenate([piece.speaking for piece in judged])
    asked = truth != UNKNOWN
    there = truth[asked] == 2
    return {
        "average_precision": float(average_precision_score(there, said[asked])),
        "area": float(roc_auc_score(there, said[asked])),
    }


def save(network: torch.nn.Module, settings: OverlapSettings, out: Path) -> None:
    """What `livemerc.speakers.overlap.OverlapDetector` reads, in half precision."""
    from safetensors.torch import save_file

    save_file({name: tensor.half().contiguous() for name, tensor in network.state_dict().items()}, out / OVERLAP)
    save_json(msgspec.to_builtins(settings), out / SETTINGS)
