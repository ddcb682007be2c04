"""Conversations that are made of clips, and what the monitor makes of them: who speaks, and what they are called."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from livemerc.audio.ears import Ears
from livemerc.audio.items import EarItem, Utterance
from livemerc.audio.read import read_samples
from livemerc.audio.source import Block
from livemerc.config import SAMPLE_RATE_HZ, Config, SpeakersConfig
from livemerc.pipeline.no_answer import NoAnswer
from livemerc.pipeline.who_speaks import WhoSpeaks
from livemerc.runtime.worker import GiveUp, never
from livemerc.speakers.models import GE2E
from livemerc.speakers.voiceprints import Voiceprints
from trainer.augment import add_noise, band, coloured_noise, reverberate
from trainer.corpora.clips import Clip
from trainer.speakers.conversations import Conversation, Effect, conversation

_BLOCK = SAMPLE_RATE_HZ // 10

PEOPLE = (2, 3, 4)
"""In conversations, in turn."""
_CLIPS_OF_A_MOOD = 12
_LEAST_CLIPS = 5

T = TypeVar("T")


def _room(
    samples: np.ndarray, rng: np.random.Generator, *, rt60_s: float, direct_db: float, snr_db: float
) -> np.ndarray:
    wet = reverberate(samples, rt60_s, direct_db, rng)
    return add_noise(wet, coloured_noise(len(wet), 1.0, rng), snr_db)


SURROUNDINGS: dict[str, Effect] = {
    "office": partial(_room, rt60_s=0.35, direct_db=6.0, snr_db=25.0),
    "hall": partial(_room, rt60_s=0.6, direct_db=2.0, snr_db=18.0),
    "telephone": lambda samples, rng: band(samples, 300.0, 3400.0),
}


@dataclass(frozen=True, slots=True)
class HeardTurn:
    """A turn that the monitor would hear, its frozen speaker and what that is called at the end; None = unknown."""

    start_s: float
    end_s: float
    speaker: str | None
    name: str | None


def voices_of(clips: Sequence[Clip]) -> dict[str, dict[int, list[Clip]]]:
    """Clips by speaker and emotion, of those who have enough."""
    found: dict[str, dict[int, list[Clip]]] = {}
    for clip in clips:
        found.setdefault(clip.speaker, {}).setdefault(clip.label, []).append(clip)
    return {name: found[name] for name in sorted(found) if sum(map(len, found[name].values())) >= _LEAST_CLIPS}


def make(
    corpus: str, voices: Mapping[str, Mapping[int, Sequence[Clip]]], number: int, *, turns: int, seed: int
) -> Conversation:
    """Conversation `number` of the corpus: the same for the same seed."""
    rng = np.random.default_rng([seed, number, zlib.crc32(corpus.encode())])
    people, effect = PEOPLE[number % len(PEOPLE)], list(SURROUNDINGS)[number // len(PEOPLE) % len(SURROUNDINGS)]
    who = [list(voices)[i] for i in rng.choice(len(voices), people, replace=False)]
    samples = {
        name: [
            [read_samples(clip.path, SAMPLE_RATE_HZ, clip.start_s, clip.end_s) for clip in clips[:_CLIPS_OF_A_MOOD]]
            for clips in voices[name].values()
        ]
        for name in who
    }
    return conversation(f"{corpus}-{number}-{effect}", samples, turns, SURROUNDINGS[effect], rng)


class AtOnce:
    """The model's thread, where there is but one."""

    def run(self, work: Callable[[], T], give_up: GiveUp[NoAnswer]) -> T:
        return work()


def listen(made: Conversation, voiceprints: Voiceprints, embedder: str = GE2E) -> list[HeardTurn]:
    """Through the ears and the monitor's own stage. `voiceprints`: whose voices are known; embedder: as in
    `speakers.embedder`."""
    config = Config(speakers=SpeakersConfig(diarize=True, embedder=embedder))
    ears = Ears(config, SAMPLE_RATE_HZ)
    items: list[EarItem] = []
    for begin in range(0, len(made.samples), _BLOCK):
        items += ears.feed(Block(made.samples[begin : begin + _BLOCK], begin / SAMPLE_RATE_HZ))
    items += ears.flush()
    who = WhoSpeaks(config, AtOnce(), voiceprints)
    heard: list[Utterance] = []
    speakers: dict[str, str | None] = {}
    names: dict[str | None, str | None] = {}
    for item in items:
        for turn in who.turns(item, never) if isinstance(item, Utterance) else ():
            heard.append(turn)
            told = who.hear(turn.utterance_id, turn.samples, None, never).told
            speakers |= {event.utterance_id: event.speaker for event in told}
            names |= {event.speaker: event.name for event in who.news()}
    speakers |= {event.utterance_id: event.speaker for event in who.freeze_all()}
    names |= {event.speaker: event.name for event in who.news()}
    found = [(turn, speakers[turn.utterance_id]) for turn in heard]
    return [HeardTurn(turn.start_s, turn.end_s, speaker, names.get(speaker)) for turn, speaker in found]
