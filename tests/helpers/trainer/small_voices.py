"""Voices in miniature: statistics in which a class can be learnt, an encoder of a millisecond, corpora of tones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np
import torch
from helpers.paths import COMPACT
from helpers.trainer.releases import acted_clips, labelled_clips
from torch import Tensor

from livemerc.emotions import LABELS
from livemerc.model.whisper_encoder import Layout
from trainer.compact.config import VoiceStage, read_stage
from trainer.compact.voice_features import VoiceFeatures
from trainer.corpora.clips import Clip

WIDTH = 24
ROWS, KINDS = [0, 1], ["mean"]
"""What `voice_features` is laid out as, and what is chosen of the 72 figures of `SmallEncoder`."""


class SmallEncoder:
    """Mean power of 72 bands, in logarithms: what `WhisperEncoder` is, too small to hear anything. Its own source: at
    module level, so that a process that is spawned finds it."""

    layout = Layout((0, 1, 2), ("mean", "deviation"))
    fingerprint: ClassVar[dict[str, Any]] = {"name": "small"}

    def make(self) -> SmallEncoder:
        return self

    def statistics(self, clips: Sequence[np.ndarray]) -> Tensor:
        bands = [[b.mean() for b in np.array_split(np.abs(np.fft.rfft(clip, 4800)) ** 2, 72)] for clip in clips]
        return torch.from_numpy(np.log(np.array(bands, np.float32) + 1e-6))


def voice_features(corpus: str, classes: int, speakers: int, clips: int = 2, seed: int = 0) -> VoiceFeatures:
    """`clips` of each class by each speaker, clean and in one other version. A class shifts one figure, a speaker all
    of them by as much, a corpus another one."""
    rng = np.random.default_rng([seed, len(corpus)])
    found: list[Clip] = []
    rows: list[np.ndarray] = []
    for speaker in range(speakers):
        level = rng.normal(0.0, 2.0, WIDTH)
        for label in range(classes):
            for n in range(clips):
                row = level + rng.normal(0.0, 0.5, WIDTH)
                row[label] += 3.0
                row[10 + len(corpus)] += 4.0
                name = f"{speaker}-{LABELS[label]}-{n}"
                found.append(Clip(Path(f"{name}.wav"), corpus, name, str(speaker + 1), False, label))
                rows.append(row)
    clean = np.stack(rows).astype(np.float16)
    return VoiceFeatures(found, [clean, (clean + rng.normal(0.0, 0.2, clean.shape)).astype(np.float16)])


def voice_corpora(folder: Path) -> Path:
    """`acted_clips`, and a few clips of each corpus that has a labels.tsv, in the layout of `--data`."""
    acted_clips(folder)
    for corpus, classes in (("emodb", 3), ("emovo", 3), ("emotiontts", 2), ("rakshak", 2), ("ased", 2)):
        rows = [(f"{s}{LABELS[c]}{n}.opus", str(s), LABELS[c]) for s in (1, 2) for c in range(classes) for n in (0, 1)]
        labelled_clips(folder / corpus, rows)
    # of parts A, A, B and C of trainer/speech_split.json
    labelled_clips(folder / "readers", [(f"{s}-1.opus", s, "neutral") for s in READERS])
    return folder


READERS = ("26", "27", "19", "32")


def small_stage(**changes: object) -> VoiceStage:
    """[voice] of configs/compact.toml over `voice_features`, of three epochs of three batches."""
    stage = read_stage(COMPACT, "voice", VoiceStage)
    small = {"rows": ROWS, "kinds": KINDS, "corpora": ["ravdess", "nemo"], "versions": 1, "batch": 16, "epochs": 3,
             "draws_per_epoch": 48, "l2": 1e-3, "lr": 1e-2, "heads": 2}  # fmt: skip
    return msgspec.structs.replace(stage, **{**small, **changes})
