"""The weights that ship: somebody who shouts for a minute and then speaks as before is judged as before.

RAVDESS's actors 21 to 24, whom no stage heard, in an order of this test's own; by the voice alone.
"""

from __future__ import annotations

from itertools import cycle, islice
from pathlib import Path

import pytest

from livemerc.audio.read import read_samples
from livemerc.config import DialogueConfig
from livemerc.emotions import LABELS
from livemerc.model.checkpoint import BUNDLED, Abstention, load_checkpoint
from livemerc.model.encoders import Encoders
from livemerc.pipeline.abstention import Cues
from livemerc.pipeline.dialogue import Dialogue
from trainer.corpora.clips import Clip
from trainer.corpora.ravdess import read_ravdess
from trainer.corpora.speaker_split import part_of

CALM, SHOUTED, RETURNED = 8, 16, 5
"""Utterances; 16 are a minute. Labels must have returned after five."""


@pytest.fixture(scope="module")
def actors(shared_data: Path) -> dict[str, list[Clip]]:
    unseen = [clip for clip in read_ravdess(shared_data / "ravdess") if part_of(clip) == "C"]
    return {name: [c for c in unseen if c.speaker == name] for name in sorted({c.speaker for c in unseen})}


def of(clips: list[Clip], label: str) -> list[Clip]:
    return [clip for clip in clips if LABELS[clip.label] == label]


def labels(encoders: Encoders, clips: list[Clip]) -> list[str]:
    """What is made of each clip at once, one after the other, all by one speaker."""
    dialogue = Dialogue(encoders.model, DialogueConfig(), Abstention())
    found = []
    for number, clip in enumerate(clips):
        samples = read_samples(clip.path, 16_000, clip.start_s, clip.end_s)
        voice = encoders.speech(samples)
        events = dialogue.add(str(number), None, voice, Cues(len(samples) / 16_000), speaker="ann")
        found.append(next(event.label for event in events if event.status == "provisional"))
    return found


def test_labels_return_within_five_utterances_after_a_minute_of_shouting(actors: dict[str, list[Clip]]) -> None:
    model = load_checkpoint(BUNDLED, "cpu")
    encoders = Encoders(model, BUNDLED / "tokenizer.json")
    alike, shouted_at = [], []
    for clips in actors.values():
        quiet = list(islice(cycle(of(clips, "neutral")), CALM + 2 * RETURNED))
        shouting = list(islice(cycle(of(clips, "anger")), SHOUTED))
        before, after = quiet[:CALM], quiet[CALM:]
        heard = labels(encoders, before + shouting + after)
        undisturbed = labels(encoders, before + after)
        shouted_at += heard[CALM : CALM + SHOUTED]
        late = slice(-RETURNED, None)
        alike += [one == other for one, other in zip(heard[late], undisturbed[late], strict=True)]
    assert shouted_at.count("anger") > len(shouted_at) / 2
    assert sum(alike) >= 0.9 * len(alike), f"{sum(alike)} of {len(alike)}"
