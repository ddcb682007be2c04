"""The voice on corpora that it never heard: each is left out in turn, all others train, cold and with baselines.

Beside the head stand a plain logistic regression in the same protocol and, where a checkpoint is named, its log-mel
encoder. Read speech must stay neutral. Every training leaves its logits, so that a run goes on where it stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from livemerc.errors import ConfigError
from livemerc.model.checkpoint import read_manifest
from livemerc.model.voice_head import VoiceHead
from trainer.compact.config import VoiceStage, read_stage
from trainer.compact.voice import PLACES, Everything, own_draws
from trainer.compact.voice_batches import Voices, draw_weights
from trainer.compact.voice_features import VoiceFeatures
from trainer.compact.voice_protocol import Baseline, Judge, causal_baselines, figures, logits, neutral_in_a_row, softmax
from trainer.compact.voice_training import standardised_head, train_head
from trainer.corpora.sources import SOURCES
from trainer.corpora.speaker_split import part_of
from trainer.experiments.reference import Regression, log_mel_logits, plain_baseline
from trainer.experiments.results import FIGURES, table
from trainer.loop.calibrate import fit_temperature
from trainer.loop.metrics import expected_calibration_error
from trainer.loop.saving import save_arrays, save_json

LEFT_OUT = ("emodb", "emovo", "ravdess", "nemo", "emotiontts", "ased")
READERS = "readers"
"""Left out as well: what a voice that was never taught that reading is neutral makes of it."""
READ = "librispeech"
"""Several utterances of each reader, none of which ever trains."""
STATES = ("cold", "warm")
Found = dict[str, np.ndarray]
"""Of one training: logits "cold" and "warm" (N, C) of the corpus left out; "read" (places, 2): share of read speech
that is called neutral, and n."""


@dataclass(frozen=True, slots=True)
class Judges:
    """What judges cold and warm, the baseline that it takes, and the head that standardises for it."""

    cold: Judge
    warm: Judge
    baseline: Baseline
    scale: VoiceHead


@dataclass(frozen=True, slots=True)
class Settings:
    """`seeds`: trainings of each corpus left out. `with_ased`: ased, which states no licence, trains here.
    `against`: folder of a checkpoint with a log-mel encoder."""

    seeds: int = 3
    with_ased: bool = False
    against: Path | None = None


class LeftOut:
    """One corpus left out. Files below `out`."""

    def __init__(self, name: str, stage: VoiceStage, everything: Everything, settings: Settings, out: Path):
        self.name, self._stage, self._settings = name, stage, settings
        self._out = out / f"without-{name}{'-with-ased' if settings.with_ased else ''}"
        self._everything = everything
        corpora = [*stage.corpora, *(["ased"] if settings.with_ased and "ased" not in stage.corpora else [])]
        self.trained_on = [c for c in (*corpora, *own_draws(stage)) if c != name]

    @cached_property
    def train(self) -> VoiceFeatures:
        """Whole corpora; readers of part A alone, because others are measured on."""
        return VoiceFeatures.joined(
            [
                self._everything[c].where(lambda clip: SOURCES[clip.corpus].kind != "read" or part_of(clip) == "A")
                for c in self.trained_on
            ]
        )

    @property
    def test(self) -> VoiceFeatures:
        unheard = self._everything[self.name]
        return unheard if self.name != READERS else unheard.where(lambda clip: part_of(clip) != "A")

    def truth(self) -> np.ndarray:
        return np.array([clip.label for clip in self.test.clips])

    def head(self, seed: int) -> Found:
        """By the head that `seed` trains."""

        def made() -> Found:
            head = train_head(self.train, self._stage, seed, self._out / f"seed{seed}")
            return self._judged(Judges(head, head, head.baseline, head), seed)

        return self._kept(f"head-{seed}", made)

    def regression(self, seed: int) -> Found:
        """By the regression; `seed` draws the order in which each speaker's clips are heard, in training too."""

        def made() -> Found:
            scale = standardised_head(self.train, self._stage, seed)
            voices, weights = Voices(self.train, scale), draw_weights(self.train.clips, self._stage)
            warm = Regression(voices, weights, causal_baselines(voices, plain_baseline, seed)[0])
            return self._judged(Judges(Regression(voices, weights, None), warm, plain_baseline, scale), seed)

        return self._kept(f"regression-{seed}", made)

    def log_mel(self) -> Found:
        """By the log-mel encoder, cold."""
        assert self._settings.against is not None
        against = self._settings.against
        return self._kept(
            f"log-mel-{read_manifest(against).speech.sha256[:8]}",
            lambda: {"cold": log_mel_logits(against, self.test.clips)},
        )

    def _judged(self, judges: Judges, seed: int) -> Found:
        voices = Voices(self.test, judges.scale)
        baselines, _ = causal_baselines(voices, judges.baseline, seed)
        found = {"cold": logits(judges.cold, voices), "warm": logits(judges.warm, voices, baselines)}
        if READ in self._everything:
            read = Voices(self._everything[READ], judges.scale)
            rows = [
                neutral_in_a_row(judges.cold if place == 1 else judges.warm, judges.baseline, read, place, seed)
                for place in PLACES
            ]
            found["read"] = np.array([[row.get("neutral", np.nan), row["n"]] for row in rows])
        return found

    def _kept(self, name: str, made: Callable[[], Found]) -> Found:
        path = self._out / f"{name}.npz"
        if not path.exists():
            save_arrays(made(), path)
            print(f"livemerc-train: without {self.name}, {name}: done", file=sys.stderr, flush=True)
        with np.load(path) as stored:
            return {key: stored[key] for key in stored.files}


def run(
    config: Path, everything: Everything, out: Path, settings: Settings, only: Sequence[str] | None = None
) -> list[str]:
    """The table. `only`: these corpora, so that another process takes the others; the figures are written by the run
    that has them all. Raises `ConfigError` for a corpus that is not left out, or that the data lack."""
    known = (*LEFT_OUT, READERS)
    for name in only or ():
        if name not in known:
            raise ConfigError(f"--only {name}: what is left out in turn is {', '.join(known)}.")
    if settings.seeds < 1:
        raise ConfigError("--seeds must be 1 or more.")
    stage = read_stage(config, "voice", VoiceStage)
    wanted = [name for name in known if not only or name in only]
    missing = [name for name in wanted if name not in everything]
    if missing:
        raise ConfigError(f"--data: {missing[0]} is not there; complete the copy, or name the others with --only.")
    jobs = {name: LeftOut(name, stage, everything, settings, out) for name in wanted}
    found = {name: _all_judges(job, settings) for name, job in jobs.items()}
    truths = {name: job.truth() for name, job in jobs.items()}
    rows = {name: _row(found[name], truths[name]) for name in wanted}
    acted = [name for name in LEFT_OUT if name in rows]
    result: dict[str, Any] = {"left_out": rows}
    if acted:
        rows["mean"] = _mean([rows[name] for name in acted])
        result["calibration"] = calibration({n: found[n]["head"] for n in acted}, truths)
    rows |= _read_rows(found)
    if len(wanted) < len(known):
        print(f"livemerc-train: run it without --only for {FIGURES}: what is trained is kept", file=sys.stderr)
    else:
        result["trained_on"] = {name: job.trained_on for name, job in jobs.items()}
        save_json(result, out / FIGURES)
    return table({name: {key: _shown(values) for key, values in row.items()} for name, row in rows.items()})


def _all_judges(job: LeftOut, settings: Settings) -> dict[str, list[Found]]:
    """{"head": one a seed, "regression": one a seed, "log-mel": one where asked for}."""
    found = {
        "head": [job.head(seed) for seed in range(settings.seeds)],
        "regression": [job.regression(seed) for seed in range(settings.seeds)],
    }
    return found | ({"log-mel": [job.log_mel()]} if settings.against else {})


def _row(found: Mapping[str, Sequence[Found]], truth: np.ndarray) -> dict[str, list[float]]:
    """{"head cold": UAR of every seed, ...}; of readers it is how many are called neutral."""
    return {
        f"{judge} {state}": [figures(one[state], truth)["uar"] for one in of_seeds]
        for judge, of_seeds in found.items() for state in STATES if state in of_seeds[0]
    }  # fmt: skip


def _mean(rows: Sequence[dict[str, list[float]]]) -> dict[str, list[float]]:
    """Over the corpora, seed by seed."""
    return {key: np.mean([row[key] for row in rows], axis=0).tolist() for key in rows[0]}


def _read_rows(found: Mapping[str, Mapping[str, Sequence[Found]]]) -> dict[str, dict[str, list[float]]]:
    """Share of read speech called neutral, the first in a row and a later one, over all trainings."""
    rows: dict[str, dict[str, list[float]]] = {f"{READ}, utterance {place} neutral": {} for place in PLACES}
    for number, row in enumerate(rows.values()):
        for judge in ("head", "regression"):
            values = [
                float(one["read"][number, 0]) for name, of in found.items() if name != READERS
                for one in of[judge] if "read" in one
            ]  # fmt: skip
            if values:
                row[f"{judge} {STATES[min(number, 1)]}"] = values
    return {name: row for name, row in rows.items() if row}


def calibration(found: Mapping[str, Sequence[Found]], truths: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Of the head, cold and warm: the temperature of all corpora left out, which count alike, and for each of them ECE
    as it is and with the temperature that the other corpora fit."""
    result: dict[str, Any] = {}
    for state in STATES:
        values = {name: np.concatenate([one[state] for one in of]) for name, of in found.items()}
        truth = {name: np.tile(truths[name], len(of)) for name, of in found.items()}
        result[state] = {"temperature": _temperature(values, truth), "ece": {}}
        for name in values:
            others = {n: v for n, v in values.items() if n != name}
            temperature = _temperature(others, truth) if others else 1.0
            result[state]["ece"][name] = {
                "raw": expected_calibration_error(softmax(values[name]), truth[name]),
                "fitted on the others": expected_calibration_error(softmax(values[name], temperature), truth[name]),
            }
    return result


def _temperature(values: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray]) -> float:
    weights = np.concatenate([np.full(len(v), 1.0 / len(v)) for v in values.values()])
    return fit_temperature(
        torch.from_numpy(np.concatenate(list(values.values()))),
        torch.from_numpy(np.concatenate([truth[name] for name in values])),
        torch.from_numpy(weights).float(),
    )


def _shown(values: Sequence[float]) -> str:
    """Mean and deviation (n - 1) over the seeds."""
    spread = f" ({np.std(values, ddof=1):.3f})" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{spread}"
