"""Stage I, speech: trains the encoder of `livemerc.model.speech` on acted clips."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR

from livemerc.emotions import LABELS
from livemerc.model.speech import SpeechEncoder
from trainer.compact.config import SpeechStage
from trainer.compact.log_mels import BABBLE_READERS, CLIP_READERS, Features, all_clips
from trainer.compact.speech_batches import evaluation_batches, spec_augment, training_batches
from trainer.corpora.speaker_split import part_of, speaker_split
from trainer.loop.calibrate import fit_temperature
from trainer.loop.fit import fit
from trainer.loop.metrics import classification_metrics
from trainer.loop.saving import save_arrays, save_json
from trainer.loop.stage import LAST_EPOCH, LoopOptions, Optimisation, Phase, Stage


def train_encoder(
    train: Features, config: SpeechStage, epochs: int, out: Path, monitor: dict[str, Features] | None = None
) -> SpeechEncoder:
    """Trains for `epochs` on `train`; the weights of the last epoch are returned. Files and errors as of `fit`.

    After each epoch the UAR of every `monitor` set is logged; nothing is selected by it.
    """
    torch.manual_seed(config.seed)
    encoder = SpeechEncoder({k: getattr(config, k) for k in ("channels", "embedding", "dropout")})
    steps = config.clips_per_epoch // config.batch

    def optimisation(module: nn.Module) -> Optimisation:
        groups: list[dict[str, Any]] = [
            {"params": [p for p in module.parameters() if p.ndim > 1]},
            {"params": [p for p in module.parameters() if p.ndim == 1], "weight_decay": 0.0},
        ]
        optimiser = torch.optim.AdamW(groups, lr=config.lr, weight_decay=config.weight_decay, fused=True)
        total = max(2, epochs * steps)
        return Optimisation(optimiser, OneCycleLR(optimiser, config.lr, total_steps=total, pct_start=config.warm_up))

    phase = Phase(epochs, partial(_views, encoder, train, config), optimisation, steps)
    stage = Stage(
        name="speech", module=encoder, phases=[phase],
        loss=partial(_loss, encoder, config.label_smoothing), select=LAST_EPOCH, seed=config.seed, clip=config.clip,
        evaluate=lambda: {f"uar_{name}": figures(encoder, f)["uar"] for name, f in (monitor or {}).items()},
    )  # fmt: skip
    begun_with = msgspec.to_builtins(config) | {"total_epochs": epochs, "clips": len(train)}
    for mode in ("epochs", "fold_epochs", "cross_epochs"):
        del begun_with[mode]  # this run's own is in total_epochs; the others do not touch it
    fit(stage, out, LoopOptions(begun_with=begun_with))
    return encoder.eval()


@dataclass(frozen=True, slots=True)
class MixedViews:
    """Augmented views (B, 2, N, M) of `frames` (B,) with labels (B,); row i holds `share` of its own clip and the rest
    of clip `other` (B,)."""

    views: Tensor
    frames: Tensor
    labels: Tensor
    other: Tensor
    share: float


def _views(
    encoder: SpeechEncoder, train: Features, config: SpeechStage, rng: np.random.Generator
) -> Iterator[MixedViews]:
    """One epoch; deterministic in `rng`."""
    for log_mel, frames, labels in training_batches(train, config, rng):
        views = spec_augment(encoder.front.normalise(log_mel, frames), rng, config)
        share, other = 1.0, torch.arange(len(labels))
        if rng.random() < config.mixup:
            share = float(rng.beta(0.4, 0.4))
            other = torch.from_numpy(rng.permutation(len(labels)))
            views = share * views + (1.0 - share) * views[other]
            frames = torch.maximum(frames, frames[other])
        yield MixedViews(views, frames, labels, other, share)


def _loss(encoder: SpeechEncoder, smoothing: float, batch: MixedViews) -> Tensor:
    # bfloat16 halves the time of an epoch on a processor that has it; weights, pooling and loss stay in float32.
    with torch.autocast("cpu", torch.bfloat16):
        logits = encoder.classify(encoder.encode_views(batch.views, batch.frames))
    logits = logits.float()
    own, other = (
        F.cross_entropy(logits, labels, label_smoothing=smoothing)
        for labels in (batch.labels, batch.labels[batch.other])
    )
    return batch.share * own + (1.0 - batch.share) * other


@torch.inference_mode()
def encode(encoder: SpeechEncoder, features: Features, version: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """S1 (N, D) and logits (N, 7), float32, of one version of all clips."""
    encoder.eval()
    s1 = np.zeros((len(features), encoder.dimension), np.float32)
    logits = np.zeros((len(features), len(LABELS)), np.float32)
    for part, log_mel, frames in evaluation_batches(features.log_mel[version], 64):
        embedding = encoder.encode_log_mel(log_mel, frames)
        s1[part], logits[part] = embedding.numpy(), encoder.classify(embedding).numpy()
    return s1, logits


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """(N, C) logits -> (N, C) probabilities."""
    return torch.softmax(torch.from_numpy(logits) / temperature, dim=1).numpy()


def figures(encoder: SpeechEncoder, features: Features, version: int = 0, temperature: float = 1.0) -> dict[str, Any]:
    """Classification metrics of the encoder alone on these clips."""
    truth = np.array([c.label for c in features.clips])
    return classification_metrics(softmax(encode(encoder, features, version)[1], temperature), truth, LABELS)


def base_rate(encoder: SpeechEncoder, features: Features, temperature: float, version: int = 0) -> dict[str, Any]:
    """How often the encoder calls read, unemotional speech neutral, and what it calls it otherwise."""
    p = softmax(encode(encoder, features, version)[1], temperature)
    counts = np.bincount(p.argmax(1), minlength=len(LABELS))
    return {
        "n": len(p),
        "neutral_share": float(counts[0] / len(p)),
        "neutral_probability": float(p[:, 0].mean()),
        "labels": {name: int(n) for name, n in zip(LABELS, counts, strict=True) if n},
    }


def pick(features: Features, keep: Any) -> Features:
    """The clips for which `keep(clip)` holds."""
    return features.where([i for i, c in enumerate(features.clips) if keep(c)])


def summary(m: dict[str, Any]) -> dict[str, Any]:
    """The figures that a log line needs, with the recall of each class."""
    short = {k: round(m[k], 4) for k in ("uar", "accuracy", "weighted_f1", "ece", "nll")}
    recalls = {k: round(v["recall"], 3) for k, v in m["per_class"].items() if v["support"]}
    return {**short, "n": sum(v["support"] for v in m["per_class"].values()), "recall": recalls}


def train_final(
    config: SpeechStage, everything: dict[str, Features], out: Path
) -> tuple[SpeechEncoder, dict[str, Any]]:
    """The encoder that ships and its figures: trained on part A, calibrated on B, reported on B, C and read speech."""
    from safetensors.torch import save_file

    split = speaker_split()
    acted = everything["ravdess"] + everything["nemo"]
    parts = {name: pick(acted, lambda c, n=name: part_of(c) == n) for name in split}
    measured = pick(everything["librispeech"], lambda c: c.speaker not in BABBLE_READERS) + everything["read"]
    train = parts["A"]
    if config.neutral_share > 0:
        train = train + pick(everything["librispeech"], lambda c: c.speaker in BABBLE_READERS)
    monitor = {
        f"{part}_{corpus}": pick(parts[part], lambda c, n=corpus: c.corpus == n)
        for part in "BC"
        for corpus in ("ravdess", "nemo")
    }
    watched = {k: v for k, v in monitor.items() if k.startswith("B")} | {"read": measured}
    encoder = train_encoder(train, config, config.epochs, out, watched)
    logits = np.concatenate([encode(encoder, parts["B"], v)[1] for v in (0, 1)])
    truth = np.tile([c.label for c in parts["B"].clips], 2)
    temperature = fit_temperature(torch.from_numpy(logits), torch.from_numpy(truth))
    result: dict[str, Any] = {"temperature": temperature}
    for name, features in monitor.items():
        result[name] = summary(figures(encoder, features, 0, temperature))
        result[f"{name}_augmented"] = summary(figures(encoder, features, 1, temperature))
    result["read_speech"] = base_rate(encoder, measured, temperature)
    result["read_speech_augmented"] = base_rate(encoder, measured, temperature, 1)
    save_file({k: v.contiguous() for k, v in encoder.state_dict().items()}, out / "speech.safetensors")
    card = {
        "config": encoder.config,
        "labels": list(LABELS),
        "temperature": temperature,
        "training": msgspec.to_builtins(config),
        "speakers": split,
        "figures": result,
        "licence": "CC BY-NC-SA 4.0 (trained on RAVDESS and nEMO)",
    }
    save_json(card, out / "speech.json")
    return encoder, result


def write_embeddings(encoder: SpeechEncoder, everything: dict[str, Features], path: Path) -> None:
    """S1 of the clips for fusion: A clean, B and C clean and augmented; unseen read speech as "read"."""
    columns: dict[str, list[Any]] = {k: [] for k in ("label", "corpus", "speaker", "clip_id", "split", "version")}
    s1, logits = [], []
    for name in CLIP_READERS:
        for version in (0, 1):
            features = everything[name]
            parts = [part_of(c) or "read" for c in features.clips]
            keep = [i for i, part in enumerate(parts) if version == 0 or part != "A"]
            chosen = features.where(keep)
            embedding, logit = encode(encoder, chosen, version)
            s1.append(embedding)
            logits.append(logit)
            for i, clip in zip(keep, chosen.clips, strict=True):
                row = (clip.label, clip.corpus, clip.speaker, clip.clip_id, parts[i], ("clean", "augmented")[version])
                for column, value in zip(columns.values(), row, strict=True):
                    column.append(value)
    arrays = {k: np.array(v) for k, v in columns.items()}
    arrays |= {"s1": np.concatenate(s1), "logits": np.concatenate(logits)}
    save_arrays(arrays, path)


def train(config: SpeechStage, data: Path, out: Path) -> dict[str, Any]:
    """Log-mels in `out/cache`; in `out/final` the encoder that ships, its figures, which are returned, and the
    embeddings of all clips."""
    everything = all_clips(data, out / "cache", config)
    encoder, result = train_final(config, everything, out / "final")
    save_json(result, out / "final/result.json")
    write_embeddings(encoder, everything, out / "final/embeddings.npz")
    return result
