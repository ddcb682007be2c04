"""Training batches of voices: balanced draws, each with a baseline of other utterances of its speaker, as live."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from livemerc.emotions import LABELS
from livemerc.errors import ConfigError
from livemerc.model.voice_head import VoiceHead
from livemerc.pipeline.baselines import KEPT
from trainer.compact.config import VoiceStage
from trainer.compact.voice_features import VoiceFeatures
from trainer.corpora.clips import Clip
from trainer.corpora.sources import SOURCES

NEUTRAL = LABELS.index("neutral")


def draw_weights(clips: list[Clip], config: VoiceStage) -> np.ndarray:
    """Chance of each clip (N,), summing to 1: acted corpora alike, and the classes alike inside a corpus.

    A corpus of ten times the clips may not decide by its size, nor may a class become a corpus. Read speech gets
    `neutral_share` of all draws. Raises `ConfigError` where no acted corpus is there.
    """
    corpora = np.array([c.corpus for c in clips])
    labels = np.array([c.label for c in clips])
    of_kind: dict[str, list[str]] = defaultdict(list)
    for corpus in dict.fromkeys(corpora.tolist()):
        of_kind[SOURCES[corpus].kind].append(corpus)
    if not of_kind["acted"]:
        raise ConfigError(
            "[voice] corpora: none of them is acted speech, so nothing but neutral can be learnt; add one."
        )
    read = config.neutral_share if of_kind["read"] else 0.0
    share = {"read": read, "acted": 1.0 - read}
    weights = np.zeros(len(clips))
    for kind, of in share.items():
        for corpus in of_kind[kind]:
            present = sorted(set(labels[corpora == corpus].tolist()))
            for label in present:
                cell = (corpora == corpus) & (labels == label)
                weights[cell] = of / len(of_kind[kind]) / len(present) / cell.sum()
    return weights / weights.sum()


class Voices:
    """Standardised statistics of clips: `z[version]` (N, S) in half precision, `label` (N,), `corpus` and `speaker`
    (N,) str, where a speaker's name is unique over all corpora."""

    def __init__(self, features: VoiceFeatures, head: VoiceHead):
        self.clips = features.clips
        self.z = [_standardised(version, head) for version in features.statistics]
        self.label = np.array([c.label for c in self.clips])
        self.corpus = np.array([c.corpus for c in self.clips])
        self.speaker = np.array([f"{c.corpus}/{c.speaker}" for c in self.clips])

    def __len__(self) -> int:
        return len(self.clips)

    def rows(self, versions: np.ndarray, at: np.ndarray) -> Tensor:
        """z (len(at), S) float32 of the clips `at`, each in its version."""
        places = torch.from_numpy(at)
        kinds = set(versions.tolist())
        if len(kinds) == 1:
            return self.z[kinds.pop()][places].float()
        out = torch.empty(len(at), self.z[0].shape[1])
        for version in kinds:
            of_version = torch.from_numpy(versions == version)
            out[of_version] = self.z[version][places[of_version]].float()
        return out


@torch.inference_mode()
def _standardised(statistics: np.ndarray, head: VoiceHead) -> Tensor:
    out = torch.empty(statistics.shape, dtype=torch.half)
    for start in range(0, len(statistics), 512):  # in float32 all at once would be as much again as all the rest
        part = torch.from_numpy(statistics[start : start + 512]).float()
        out[start : start + 512] = head.standardise(part)
    return out


@dataclass(frozen=True, slots=True)
class VoiceBatch:
    """z (B, S), baseline (B, S + 2), label (B,), group (B,): index of the corpus among `Drawing.groups`."""

    z: Tensor
    baseline: Tensor
    label: Tensor
    group: Tensor


class Drawing:
    """Draws the batches of one training set."""

    def __init__(self, voices: Voices, head: VoiceHead, config: VoiceStage):
        self.voices, self.config = voices, config
        self._head = head
        self.groups = list(dict.fromkeys(voices.corpus.tolist()))
        self.group = np.array([self.groups.index(c) for c in voices.corpus])
        self.weights = draw_weights(voices.clips, config)
        shares = np.cumsum(config.baseline_mixture)
        self._kinds = shares[:-1] / shares[-1]
        _, self._speaker = np.unique(voices.speaker, return_inverse=True)
        self._of_speaker = [np.flatnonzero(self._speaker == s) for s in range(self._speaker.max() + 1)]

    @property
    def steps(self) -> int:
        return self.config.draws_per_epoch // self.config.batch

    def batches(self, rng: np.random.Generator) -> Iterator[VoiceBatch]:
        """One epoch; deterministic in `rng`."""
        for _ in range(self.steps):
            drawn = rng.choice(len(self.voices), size=self.config.batch, p=self.weights)
            parts = [self._one(int(at), rng) for at in drawn]
            yield VoiceBatch(
                torch.stack([z for z, _ in parts]), torch.stack([b for _, b in parts]),
                torch.from_numpy(self.voices.label[drawn]), torch.from_numpy(self.group[drawn]),
            )  # fmt: skip

    def _one(self, at: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """z (S,) of a clip and its baseline (S + 2,)."""
        earlier = self.earlier(at, rng)
        rows = np.concatenate((earlier, [at]))
        last = len(self.voices.z) - 1
        versions = np.zeros(len(rows), np.int64)
        if last and rng.random() >= self.config.clean_share:
            versions = rng.integers(0, last + 1, len(rows))
            versions[-1] = rng.integers(1, last + 1)
        z = self.voices.rows(versions, rows)
        with torch.no_grad():
            return z[-1], self._head.baseline(z[:-1])

    def earlier(self, at: int, rng: np.random.Generator) -> np.ndarray:
        """Other clips of the speaker, in an order of time drawn anew: 0 to `KEPT` indices.

        Somebody with fewer clips says them over and over, so that how many there are tells no corpus and nobody who
        reads apart. A speaker of one clip has no other: it is drawn without a baseline.
        """
        kind = int(np.searchsorted(self._kinds, rng.random(), side="right"))
        others = self._of_speaker[self._speaker[at]]
        others = others[others != at]
        if kind == 0 or not len(others):
            return np.zeros(0, np.int64)
        count = int(rng.integers(1, KEPT + 1))
        is_neutral = self.voices.label[others] == NEUTRAL
        neutral, rest = others[is_neutral], others[~is_neutral]
        if kind == 2 or not len(neutral):
            return np.resize(rng.permutation(others), count)
        if kind == 3 or not len(rest):
            return np.resize(rng.permutation(neutral), count)
        flat = int(rng.binomial(count, self.config.mostly_neutral))
        said = np.resize(rng.permutation(neutral), flat), np.resize(rng.permutation(rest), count - flat)
        return rng.permutation(np.concatenate(said))
