"""Stage I, speech: trains the head over Whisper's frozen voice statistics that ships.

Each acted corpus is left out in turn first: the heads that never heard it fit the temperatures, and judge its clips for
the stages that follow, because a corpus that a head has heard looks far easier to it than any that will come.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch

from livemerc.emotions import LABELS
from livemerc.errors import ConfigError
from livemerc.model.voice_head import VoiceHead
from trainer.compact.config import VoiceStage
from trainer.compact.voice_batches import Voices, draw_weights
from trainer.compact.voice_features import EncoderSource, ShippedWhisper, VoiceCache, VoiceFeatures
from trainer.compact.voice_protocol import causal_baselines, cold_and_warm, figures, logits, neutral_in_a_row
from trainer.compact.voice_training import averaged, calibrated, train_head
from trainer.corpora.clips import Clip
from trainer.corpora.sources import SOURCES, check_may_ship, data_of, licence_of
from trainer.corpora.speaker_split import part_of, speaker_split
from trainer.corpora.voices import VOICES, folder_of
from trainer.loop.calibrate import fit_temperature
from trainer.loop.saving import save_arrays, save_json

CACHE = "cache"
PLACES = (1, 20)
"""Utterances in a row after which read speech must still be neutral."""
WARM_DRAWS = 2
"""Orders in which each speaker's clips are judged for the stages that follow, each with other baselines."""

Everything = dict[str, VoiceFeatures]


def training_corpora(config: VoiceStage) -> tuple[str, ...]:
    """What trains the head. Raises `ConfigError` where the configuration names what may not."""
    check_may_ship(config.corpora, "[voice] corpora")
    for name in config.corpora:
        if SOURCES[name].kind != "acted":
            raise ConfigError(f"[voice] corpora: {name} is no acted speech; take it out of the list.")
    return (*config.corpora, *own_draws(config))


def own_draws(config: VoiceStage) -> tuple[str, ...]:
    """The corpora that have a share of the draws of their own."""
    return ("readers",) if config.neutral_share > 0 else ()


def all_voices(
    config: VoiceStage, data: Path, cache: Path, needed: Iterable[str], processes: int,
    source: EncoderSource | None = None,
) -> Everything:  # fmt: skip
    """The statistics of the `needed` corpora, and of those others that `data` has and that are only measured on: those
    without augmented versions.

    `source` None: the encoder of the Whisper that ships.
    """
    needed = tuple(needed)
    only_measured = [name for name in VOICES if name != "emogator" and (data / folder_of(name)).is_dir()]
    wanted = [name for name in VOICES if name in needed or name in only_measured]
    cached = VoiceCache(cache, config.seed, source or ShippedWhisper(config.peak, config.part_s))
    clean_only = [name for name in wanted if name not in needed]
    return cached.voices(data, wanted, config.versions, config.rows, config.kinds, processes, clean_only)


def training_set(everything: Everything, corpora: Iterable[str]) -> VoiceFeatures:
    """The clips of these corpora that train: of acted speech all but part C; of readers part A alone, because part B
    reads to the stages that follow."""

    def trains(clip: Clip) -> bool:
        return part_of(clip) in ("A" if SOURCES[clip.corpus].kind == "read" else "AB")

    return VoiceFeatures.joined([everything[name].where(trains) for name in corpora])


def train_final(config: VoiceStage, everything: Everything, out: Path) -> tuple[VoiceHead, dict[str, Any]]:
    """The head that ships and its figures; `out/voice.safetensors`, `out/voice.json`, `out/embeddings.npz`."""
    from safetensors.torch import save_file

    corpora = training_corpora(config)
    left_out: dict[str, VoiceHead] = {}
    for name in config.corpora:
        others = [other for other in corpora if other != name]
        left_out[name] = train_head(training_set(everything, others), config, config.seed, out / f"without-{name}")
    train = training_set(everything, corpora)
    seeds = range(config.seed, config.seed + config.heads)
    head = averaged([train_head(train, config, seed, out / f"seed{seed}") for seed in seeds])
    result: dict[str, Any] = {"left_out": {}}
    temperatures = left_out_temperatures(config, everything, left_out, result["left_out"])
    # One for both states goes into the weights, because S1 does not say how much of its speaker was heard. It is a
    # compromise: cold voices wanted 1.60 and warm ones 1.26 (trainer/LOG.md).
    head = calibrated(head, temperatures["both"])
    left_out = {name: calibrated(one, temperatures["both"]) for name, one in left_out.items()}
    result |= {"temperatures": temperatures, **measured(head, everything, config)}
    save_file({k: v.contiguous() for k, v in head.state_dict().items()}, out / "voice.safetensors")
    card = {
        "config": msgspec.to_builtins(head.config),
        "temperatures": temperatures,
        "labels": list(LABELS),
        "training": msgspec.to_builtins(config),
        "corpora": list(corpora),
        "data": data_of(corpora),
        "licence": licence_of(corpora),
        "speakers": speaker_split(),
        "figures": result,
    }
    save_json(card, out / "voice.json")
    write_embeddings(head, left_out, everything, config, out / "embeddings.npz")
    return head, result


def left_out_temperatures(
    config: VoiceStage, everything: Everything, left_out: dict[str, VoiceHead], report: dict[str, Any]
) -> dict[str, float]:
    """Temperatures "cold", "warm" and "both" of least NLL on corpora left out, which count alike, as do their classes;
    the figures of each corpus, with the temperature that the others fit, are put into `report`."""
    judged = {name: cold_and_warm(head, Voices(everything[name], head), config.seed) for name, head in left_out.items()}

    def fitted(states: Sequence[str], names: Iterable[str]) -> float:
        names = list(names)
        clips = [clip for name in names for clip in everything[name].clips]
        truth = torch.tensor([clip.label for clip in clips])
        weights = torch.from_numpy(draw_weights(clips, config)).float()
        values = np.concatenate([judged[name][state] for state in states for name in names])
        return fit_temperature(torch.from_numpy(values), truth.repeat(len(states)), weights.repeat(len(states)))

    for name in judged:
        truth = np.array([clip.label for clip in everything[name].clips])
        others = [other for other in judged if other != name] or [name]
        report[name] = {s: figures(values, truth, fitted((s,), others)) for s, values in judged[name].items()}
    return {s: fitted((s,), judged) for s in ("cold", "warm")} | {"both": fitted(("cold", "warm"), judged)}


def measured(head: VoiceHead, everything: Everything, config: VoiceStage) -> dict[str, Any]:
    """Figures on what the head never heard: corpora that did not train it, speakers of part C, people who read."""
    result: dict[str, Any] = {}
    for name, features in everything.items():
        unseen = features.where(lambda c: part_of(c) == "C")
        if not len(unseen):
            continue
        voices = Voices(unseen, head)
        if SOURCES[name].kind == "read":
            result[name] = {
                f"utterance {place}": neutral_in_a_row(head, head.baseline, voices, place, config.seed)
                for place in PLACES
            }
        else:
            judged = cold_and_warm(head, voices, config.seed)
            result[name] = {s: figures(values, voices.label) for s, values in judged.items()}
    return result


def write_embeddings(
    head: VoiceHead, left_out: dict[str, VoiceHead], everything: Everything, config: VoiceStage, path: Path
) -> None:
    """Stage I logits of the clips for the stages that follow, several a clip: cold and with the baselines of random
    orders, clean and augmented.

    A corpus that trains is judged by the head that left it out, others by the one that ships. `split` is the speaker's
    part, `earlier` how many utterances the baseline is of. Left out are readers of part A, whom every head has heard,
    bursts, and all but part C of corpora that do not train: their licences are not named.
    """
    trained_on = training_corpora(config)

    def judged(clip: Clip) -> bool:
        part = part_of(clip)
        return part == "C" or (clip.corpus in trained_on and (clip.corpus != "readers" or part == "B"))

    columns: dict[str, list[Any]] = {
        k: [] for k in ("label", "corpus", "speaker", "clip_id", "split", "version", "earlier")
    }
    found: list[np.ndarray] = []
    for name, features in everything.items():
        if SOURCES[name].kind == "bursts":
            continue
        kept = features.where(judged)
        if not len(kept):
            continue
        judge = left_out.get(name, head)
        voices = Voices(kept, judge)
        for version in range(min(2, len(kept.statistics))):
            style = ("clean", "augmented")[version]
            for draw in range(1 + WARM_DRAWS):
                if draw == 0:
                    values, earlier = logits(judge, voices, None, version), np.zeros(len(kept), np.int64)
                else:
                    baselines, earlier = causal_baselines(voices, judge.baseline, config.seed + draw, version)
                    values = logits(judge, voices, baselines, version)
                found.append(values)
                for clip, count in zip(kept.clips, earlier, strict=True):
                    row = (
                        clip.label, clip.corpus, clip.speaker, clip.clip_id, part_of(clip),
                        style if draw == 0 else f"{style}-warm{draw}", int(count),
                    )  # fmt: skip
                    for column, value in zip(columns.values(), row, strict=True):
                        column.append(value)
    s1 = np.concatenate(found)
    save_arrays({**{k: np.array(v) for k, v in columns.items()}, "s1": s1, "logits": s1}, path)


def train(
    config: VoiceStage, data: Path, out: Path, processes: int = 1, source: EncoderSource | None = None
) -> dict[str, Any]:
    """Voice statistics in `out/cache`; in `out/final` the head that ships, its figures, which are returned, and the
    logits of all clips. `processes` that make the statistics."""
    everything = all_voices(config, data, out / CACHE, training_corpora(config), processes, source)
    _, result = train_final(config, everything, out / "final")
    save_json(result, out / "final/result.json")
    return result
