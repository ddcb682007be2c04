"""The frozen front end's features of a corpus, from the cache: computed once, by one process, read by all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from livemerc.errors import InputError
from trainer.loop import processes
from trainer.loop.progress import Progress
from trainer.merits_l.config import SpeechSection
from trainer.merits_l.data import Split, check_finite
from trainer.merits_l.speech import Fetch


@dataclass(frozen=True, slots=True)
class SpeechFeatures:
    """`layers`, `dimension`, `extra`: as of `livemerc.model.frozen_speech.FrozenSpeech`; `parameters` of the front end.
    `voiced` by split: the utterances (n,) that have features; `values`: those features (n, rows, D) float32."""

    layers: int
    dimension: int
    extra: int
    parameters: int
    fingerprint: str
    voiced: dict[str, np.ndarray]
    values: dict[str, np.ndarray]

    @property
    def fetch(self) -> dict[str, Fetch]:
        return {name: partial(_fetch, self.voiced[name], self.values[name]) for name in self.voiced}


def _fetch(voiced: np.ndarray, values: np.ndarray, utterances: np.ndarray) -> np.ndarray:
    return values[np.searchsorted(voiced, utterances)]


def speech_features(
    section: SpeechSection, splits: Mapping[str, Split], folder: Path, seed: int, device: torch.device
) -> SpeechFeatures:
    """Extracts what the cache in `folder` lacks and reads all of it. Raises `InputError` where no audio of a split
    can be used, `ConfigError` where the cache belongs to another front end, `ModelError` where that is missing."""
    from trainer.fronts.cache import FeatureCache
    from trainer.fronts.encoders import build_speech_frontend
    from trainer.fronts.items import Item

    torch.manual_seed(seed)  # random weights, where those are asked for, are the same in every run
    front = build_speech_frontend(section.front, weights=section.weights).to(device)
    cache = FeatureCache(folder)
    items = {name: [Item.of(u) for u in split.utterances] for name, split in splits.items()}
    process = processes.accelerator()
    if process.is_main_process:
        with Progress(f"features of {front.name}", 0, None, unit="utterance") as progress:
            done = cache.extract(
                [i for part in items.values() for i in part], front,
                progress=lambda n, total: progress.update(n, steps=total),
            )  # fmt: skip
        for name, reason in done.skipped[:20]:
            progress.say(f"{name}: without its voice ({reason})")
        progress.say(
            f"features of {front.name}: {done.computed} computed, {done.read} read, {done.absent} without audio, "
            f"{len(done.skipped)} skipped"
        )
    process.wait_for_everyone()
    voiced, values = {}, {}
    for name, split in splits.items():
        found = cache.get(items[name])
        voiced[name] = np.array([i for i, x in enumerate(found) if x is not None], dtype=np.int64)
        rows = [x for x in found if x is not None]
        if not rows:
            raise InputError(f"no utterance of split {name!r} has audio that can be read; mend the corpus.")
        values[name] = torch.stack(rows).numpy()
        check_finite(values[name], split, voiced[name], f"feature of {front.name}")
    return SpeechFeatures(
        front.layers, front.dimension, front.extra, sum(p.numel() for p in front.parameters()), front.fingerprint,
        voiced, values,
    )  # fmt: skip
