"""What it is worth that a baseline begins with an enrolled usual voice: unseen speakers, cold against warm.

Of each speaker some neutral clips are enrolled, as they are; readers' clips are cut into pieces of an utterance's
length. The others are a conversation in a random order, without words, as they are or in other surroundings; who speaks
is known from the first utterance on. Judged is the voice's frozen label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from livemerc.audio.read import read_samples
from livemerc.config import SAMPLE_RATE_HZ, DialogueConfig
from livemerc.emotions import LABELS
from livemerc.errors import ConfigError, LivemercError
from livemerc.events import EmotionEvent
from livemerc.model.checkpoint import read_manifest
from livemerc.model.encoders import Encoders, load_model
from livemerc.model.merits import MeritsL
from livemerc.pipeline.abstention import Cues
from livemerc.pipeline.dialogue import Dialogue
from livemerc.pipeline.judging import Voice
from trainer.corpora.clips import Clip
from trainer.corpora.speaker_split import part_of
from trainer.corpora.voices import read_clips
from trainer.experiments.listening import SURROUNDINGS
from trainer.experiments.results import FIGURES, Rows, table
from trainer.files import told
from trainer.loop.metrics import label_metrics
from trainer.loop.progress import Progress
from trainer.loop.saving import save_json
from trainer.speakers.conversations import Effect

CORPORA = ("ravdess", "ased", "librispeech")
READ = ("librispeech", "read")
ENROLLED = 6
"""Neutral clips: some twenty seconds."""
STRETCHES = {"1-6": slice(0, 6), "7-18": slice(6, 18), "19-": slice(18, None)}
"""Of a conversation, by the number of the utterance."""
NEUTRAL = LABELS.index("neutral")
_LONGEST_S = 6.0
_PIECE_S = 3.0
_LEAST_JUDGED = 5

EFFECTS: dict[str, Effect] = {"as enrolled": lambda samples, rng: samples} | {
    name: SURROUNDINGS[name] for name in ("office", "telephone")
}


def run(data: Path, corpora: Sequence[str], out: Path, *, speakers: int, orders: int, seed: int) -> list[str]:
    """At most so many `speakers` of each corpus, each in so many `orders`. Writes figures.json; returns the table.
    Raises the readers' `InputError`, and `ConfigError` for a corpus without speakers who are unseen and have enough."""
    with told(LivemercError, f"{out}: no folder for an experiment", "name another"):
        out.mkdir(parents=True, exist_ok=True)
    people = {corpus: _unseen(_clips(data, corpus), speakers) for corpus in corpora}
    for corpus, chosen in people.items():
        if not chosen:
            raise ConfigError(f"--corpora {corpus}: nobody whom no stage heard has enough clips; name another.")
    model, encoders = load_model(None, "cpu", 0)
    rows: Rows = {}
    for corpus, chosen in people.items():
        with Progress(corpus, 0, len(chosen) * len(EFFECTS), unit="conversation") as progress:
            for number, (effect, change) in enumerate(EFFECTS.items()):
                found: dict[str, list[tuple[int, int, int]]] = {"cold": [], "warm": []}
                for at, (name, clips) in enumerate(chosen.items()):
                    rng = np.random.default_rng([seed, number, at])
                    _judge(name, clips, change, (model, encoders), orders, rng, found)
                    progress.update(number * len(chosen) + at + 1)
                for start, judged in found.items():
                    rows[f"{corpus}, {effect}, {start}"] = {"speakers": len(chosen), **_figures(judged)}
        save_json({"speakers": speakers, "orders": orders, "seed": seed, "rows": rows}, out / FIGURES)
    return table(rows)


def _clips(data: Path, corpus: str) -> list[Clip]:
    clips = read_clips(data, corpus)
    if corpus not in READ:
        return clips
    pieces: list[Clip] = []
    for clip in clips:
        length_s = len(read_samples(clip.path, SAMPLE_RATE_HZ, clip.start_s, clip.end_s)) / SAMPLE_RATE_HZ
        for number in range(int(length_s / _PIECE_S)):
            begin_s = clip.start_s + number * _PIECE_S
            name = f"{clip.clip_id}.{number}"
            pieces.append(replace(clip, clip_id=name, start_s=begin_s, end_s=begin_s + _PIECE_S))
    return pieces


def _unseen(clips: Sequence[Clip], most: int) -> dict[str, list[Clip]]:
    """Clips of those whom no stage heard and who have enough."""
    by: dict[str, list[Clip]] = {}
    for clip in clips:
        if part_of(clip) == "C":
            by.setdefault(clip.speaker, []).append(clip)
    enough = [
        name
        for name, own in sorted(by.items())
        if sum(clip.label == NEUTRAL for clip in own) > ENROLLED and len(own) >= ENROLLED + _LEAST_JUDGED
    ]
    return {name: by[name] for name in enough[:most]}


def _judge(
    name: str,
    clips: Sequence[Clip],
    change: Effect,
    judge: tuple[MeritsL, Encoders],
    orders: int,
    rng: np.random.Generator,
    found: dict[str, list[tuple[int, int, int]]],
) -> None:
    """Adds (place, guess, truth) of one speaker's conversations to `found`."""
    model, encoders = judge
    neutral = [clip for clip in clips if clip.label == NEUTRAL]
    picked = {neutral[int(at)].clip_id for at in rng.choice(len(neutral), ENROLLED, replace=False)}
    enrolled = tuple(Voice(encoders.speech(_samples(clip))) for clip in clips if clip.clip_id in picked)
    later = [clip for clip in clips if clip.clip_id not in picked]
    voices = [encoders.speech(np.ascontiguousarray(change(_samples(clip), rng), np.float32)) for clip in later]
    for _ in range(orders):
        order = [int(at) for at in rng.permutation(len(later))]
        for start, begins in (("cold", ()), ("warm", enrolled)):
            guesses = _labels(model, name, [voices[at] for at in order], begins)
            truths = [later[at].label for at in order]
            found[start] += zip(range(len(order)), guesses, truths, strict=True)


def _samples(clip: Clip) -> np.ndarray:
    return read_samples(clip.path, SAMPLE_RATE_HZ, clip.start_s, clip.end_s)[: round(_LONGEST_S * SAMPLE_RATE_HZ)]


@torch.inference_mode()
def _labels(model: MeritsL, name: str, voices: Sequence[Tensor], begins: tuple[Voice, ...]) -> list[int]:
    """The voice's frozen label of each."""
    dialogue = Dialogue(model, DialogueConfig(), read_manifest().abstention)
    dialogue.begin_with(name, begins)
    events: list[EmotionEvent] = []
    for number, voice in enumerate(voices):
        events += dialogue.add(str(number), None, voice, Cues(duration_s=3.0), speaker=name, settled=False)
    events += dialogue.freeze_all()
    frozen: dict[str, int] = {}
    for event in events:
        speech = event.modality.speech
        if event.status == "frozen" and speech is not None:
            frozen[event.utterance_id] = LABELS.index(max(speech, key=speech.__getitem__))
    return [frozen[str(number)] for number in range(len(voices))]


def _figures(judged: Sequence[tuple[int, int, int]]) -> dict[str, float]:
    """UAR of all and of the beginning, ...; the share of neutral that is called so, and that of all else."""
    place, guess, truth = np.array(judged).T
    found = {"judged": float(len(place)), "UAR": label_metrics(guess, truth, len(LABELS))["uar"]}
    for name, stretch in STRETCHES.items():
        inside = np.isin(place, np.arange(place.max() + 1)[stretch])
        if inside.any():
            found[f"UAR of {name}"] = label_metrics(guess[inside], truth[inside], len(LABELS))["uar"]
    first = place < STRETCHES["1-6"].stop
    for name, inside in (("", truth == NEUTRAL), (" of 1-6", (truth == NEUTRAL) & first)):
        found[f"neutral found{name}"] = float((guess[inside] == NEUTRAL).mean()) if inside.any() else float("nan")
    others = truth != NEUTRAL
    if others.any():
        found["others called neutral"] = float((guess[others] == NEUTRAL).mean())
    return found
