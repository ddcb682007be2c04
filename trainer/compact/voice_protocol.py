"""How voices are judged: cold, and as a speaker's usual voice becomes known, utterance by utterance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from livemerc.emotions import LABELS
from livemerc.model.voice_head import VoiceHead
from livemerc.pipeline.baselines import KEPT
from trainer.compact.voice_batches import NEUTRAL, Voices
from trainer.loop.metrics import classification_metrics

Baseline = Callable[[Tensor], Tensor]
"""Earlier z of a speaker (N, S), N >= 0 -> baseline (R,), of as many figures as its judge takes."""
Judge = Callable[[Tensor, Tensor | None], Tensor]
"""z (B, S), baselines (B, R), None = cold -> logits (B, C): a head, or what it is measured beside."""
_AT_ONCE = 256


def in_order(voices: Voices, seed: int) -> list[np.ndarray]:
    """For each speaker the indices of the clips in a random order: what was said one after the other."""
    rng = np.random.default_rng(seed)
    speakers = sorted(set(voices.speaker.tolist()))
    return [rng.permutation(np.flatnonzero(voices.speaker == speaker)) for speaker in speakers]


@torch.inference_mode()
def causal_baselines(voices: Voices, baseline: Baseline, seed: int, version: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Baselines (N, R) float32 from each speaker's earlier clips in a random order, and how many those were (N,)."""
    out = np.zeros((len(voices), len(baseline(voices.z[version][:0].float()))), np.float32)
    count = np.zeros(len(voices), np.int64)
    for order in in_order(voices, seed):
        z = voices.z[version][torch.from_numpy(order)].float()
        for place, at in enumerate(order):
            earlier = z[max(0, place - KEPT) : place]
            out[at], count[at] = baseline(earlier).numpy(), len(earlier)
    return out, count


@torch.inference_mode()
def logits(judge: Judge, voices: Voices, baselines: np.ndarray | None = None, version: int = 0) -> np.ndarray:
    """(N, C) float32. `baselines` (N, R) None: cold."""
    found = []
    for start in range(0, len(voices), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        z = voices.z[version][part].float()
        found.append(judge(z, None if baselines is None else torch.from_numpy(baselines[part])).numpy())
    return np.concatenate(found)


def cold_and_warm(head: VoiceHead, voices: Voices, seed: int, version: int = 0) -> dict[str, np.ndarray]:
    """Logits "cold" and "warm", (N, C) each."""
    warm, _ = causal_baselines(voices, head.baseline, seed, version)
    return {"cold": logits(head, voices, None, version), "warm": logits(head, voices, warm, version)}


def softmax(values: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """(N, C) logits -> (N, C) probabilities."""
    return torch.softmax(torch.from_numpy(values) / temperature, dim=1).numpy()


def among_present(values: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The logits with those of classes that never occur in `truth` out of the running: a corpus without disgust is
    asked for what it holds."""
    absent = np.setdiff1d(np.arange(values.shape[1]), truth)
    out = values.copy()
    out[:, absent] = -np.inf
    return out


def figures(values: np.ndarray, truth: np.ndarray, temperature: float = 1.0) -> dict[str, Any]:
    """UAR over the classes present, of all seven answers ("uar") and of those classes alone ("uar_present"); ECE and
    NLL of all seven."""
    of_seven = classification_metrics(softmax(values, temperature), truth, LABELS)
    recalls = {k: v["recall"] for k, v in of_seven["per_class"].items() if v["support"]}
    present = classification_metrics(softmax(among_present(values, truth), temperature), truth, LABELS)
    return {
        "uar": of_seven["uar"], "uar_present": present["uar"], "ece": of_seven["ece"], "nll": of_seven["nll"],
        "n": len(truth), "recall": recalls,
    }  # fmt: skip


@torch.inference_mode()
def neutral_in_a_row(judge: Judge, baseline: Baseline, voices: Voices, place: int, seed: int) -> dict[str, float]:
    """How often the `place`-th utterance in a row (from 1) of somebody who reads aloud is called neutral.

    The earlier ones are drawn from the reader's other clips, over and over where there are fewer: a clip never is part
    of its own baseline. Readers of one clip are left out where `place` is above 1.
    """
    rng = np.random.default_rng([seed, place])
    found: list[float] = []
    right = 0
    for at in range(len(voices)):
        others = np.flatnonzero(voices.speaker == voices.speaker[at])
        others = others[others != at]
        if place > 1 and not len(others):
            continue
        earlier = np.resize(rng.permutation(others), place - 1)[-KEPT:] if place > 1 else others[:0]
        z = voices.z[0][[*earlier.tolist(), at]].float()
        p = torch.softmax(judge(z[-1:], baseline(z[:-1])[None])[0], 0)
        right += int(p.argmax()) == NEUTRAL
        found.append(float(p[NEUTRAL]))
    if not found:
        return {"n": 0}
    return {"neutral": right / len(found), "probability": float(np.mean(found)), "n": len(found)}
