"""A voiceprint from what somebody says: enough of it, of one voice, and clean.

utterances --embedder, here and as they would sound elsewhere--> embeddings --mean--> voiceprint
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import msgspec
import numpy as np

from livemerc import __version__
from livemerc.audio.items import EarItem, Utterance
from livemerc.audio.make_ears import make_ears
from livemerc.audio.source import Source
from livemerc.config import Config
from livemerc.errors import InputError
from livemerc.speakers.diarizer import sample_of
from livemerc.speakers.embedder import VoicePoint
from livemerc.speakers.mixture import Known
from livemerc.speakers.surroundings import everywhere
from livemerc.speakers.voiceprints import MOST_VOICES, Consent, EmbedderId, UsualVoice, Voiceprint, now

if TYPE_CHECKING:
    from livemerc.speakers.embedder import SpeakerEmbedder

LEAST_S = 10.0
"""Voice that a voiceprint is made of at least."""
ENOUGH_S = 30.0
"""More makes it no surer: nothing further is heard."""
LEAST_UTTERANCE_S = 1.0
"""Shorter ones say too little of whose they are."""
LEAST_ABOVE_NOISE_DB = 12.0
"""Of an utterance: its loud frames over its soft ones. Words have 30 and more in a quiet room."""
_ALIKE = 0.55
"""Cosine of two halves that are as unlike as can be. Of one of ten readers it was less in 1 of 192 recordings, of two
of them in 94 of 100 (16 to 32 s, clean, in two rooms and on a telephone)."""
_FRAME = 480


@dataclass(frozen=True, slots=True, eq=False)
class _Heard:
    plain: VoicePoint
    mean: np.ndarray
    """(D,): over the surroundings."""
    usual: bytes | None
    """What the checkpoint's encoder makes of it, where that is to be kept."""


class HearsUsual(Protocol):
    """A checkpoint's ears: `livemerc.pipeline.usual_voices.UsualEars`."""

    def hear(self, samples: np.ndarray) -> bytes | None:
        """One utterance, (n,) float32 at 16 kHz, as one of `UsualVoice.voices`; None = nothing is to be made of it."""
        ...

    def made_of(self, voices: list[bytes]) -> UsualVoice: ...


class Enrolment:
    """`hear` utterances until there is `enough`, then `voiceprint`. For one thread; the embedder needs torch.

    usual: asked for what of an utterance is kept beside the print, as one of `UsualVoice.voices`; None = nothing is.
    """

    def __init__(self, embedder: SpeakerEmbedder, usual: HearsUsual | None = None) -> None:
        self._embedder = embedder
        self._usual = usual
        self._heard: list[_Heard] = []
        self._noisy = 0

    @property
    def voiced_s(self) -> float:
        """Seconds of clean voice so far."""
        return sum(one.plain.voiced_s for one in self._heard)

    @property
    def enough(self) -> bool:
        return self.voiced_s >= ENOUGH_S

    def hear(self, samples: np.ndarray) -> None:
        """One utterance, (n,) float32 at 16 kHz. What is too short or too noisy is left out."""
        point = self._embedder.embed(samples)
        if point is None or point.voiced_s < LEAST_UTTERANCE_S:
            return
        if above_noise_db(samples) < LEAST_ABOVE_NOISE_DB:
            self._noisy += 1
            return
        elsewhere = [self._embedder.embed(heard) for heard in everywhere(samples)]
        rows = [one.x for one in elsewhere if one is not None]
        usual = None if self._usual is None else self._usual.hear(samples)
        self._heard.append(_Heard(point, np.mean(rows, axis=0), usual))

    def voiceprint(self, name: str, consent: Consent) -> Voiceprint:
        """Raises `InputError` where there is too little clean voice, or more than one."""
        if self.voiced_s < LEAST_S:
            raise InputError(
                f"{self.voiced_s:.0f} s of clean voice were heard, and a voiceprint takes {LEAST_S:.0f}"
                + (f" ({self._noisy} utterances were too noisy)" if self._noisy else "")
                + "; speak longer, closer to the microphone, or give a longer recording."
            )
        if not self._one_voice():
            raise InputError("more than one voice was heard; give a recording in which one person speaks alone.")
        known = Known(0.0, np.zeros(len(self._heard[0].mean)))
        for one in self._heard:
            known = known.and_also(sample_of(VoicePoint(one.mean, one.plain.voiced_s)), np.inf)
        made = made_of(known, self.voiced_s, len(self._heard), name, consent, self._embedder.id)
        voices = [one.usual for one in self._heard if one.usual is not None][-MOST_VOICES:]
        if self._usual is None or not voices:
            return made
        return msgspec.structs.replace(made, usual_voice=self._usual.made_of(voices))

    def _one_voice(self) -> bool:
        """Whether those like the one and those like the other of the two least alike utterances are alike."""
        rows = [one.plain.x for one in self._heard]
        pairs = [(cosine(a, b), i, j) for j, b in enumerate(rows) for i, a in enumerate(rows[:j])]
        if not pairs:
            return True
        _, one, other = min(pairs)
        halves = np.zeros((2, len(rows[0])))
        for heard in self._heard:
            nearer = cosine(heard.plain.x, rows[one]) >= cosine(heard.plain.x, rows[other])
            halves[0 if nearer else 1] += heard.plain.voiced_s * heard.plain.x
        return cosine(halves[0], halves[1]) >= _ALIKE


def made_of(
    known: Known, voiced_s: float, utterances: int, name: str, consent: Consent, embedder: EmbedderId
) -> Voiceprint:
    """The voiceprint of whoever is known so well. Raises nothing."""
    return Voiceprint(
        name=name,
        embedder=embedder,
        mean=[round(float(value), 4) for value in known.total / known.weight],
        weight=round(known.weight, 4),
        voiced_s=round(voiced_s, 2),
        utterances=utterances,
        consent=consent,
        enrolled_at=now(),
        version=__version__,
    )


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    """Of the angle between two vectors; 0 where one is none."""
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return 0.0 if size == 0 else float(one @ other) / size


def above_noise_db(samples: np.ndarray) -> float:
    """(n,) -> its loud frames (of 30 ms) over its soft ones, in decibels; the pre-roll and the tail that an utterance
    has are as soft as the room is."""
    count = len(samples) // _FRAME
    if count == 0:
        return 0.0
    power = np.square(samples[: count * _FRAME], dtype=np.float64).reshape(count, _FRAME).mean(1)
    soft, loud = np.percentile(10 * np.log10(power + 1e-12), [5, 95])
    return float(loud - soft)


def listen(
    source: Source,
    config: Config,
    enrolment: Enrolment,
    heard: Callable[[float], object] = lambda voiced_s: None,
    *,
    at_most_s: float = math.inf,
) -> None:
    """Gives the enrolment what is said at a source until that ends, there is enough, or `at_most_s` of it were heard.
    heard: told the seconds of clean voice so far. Raises what the source raises."""
    ears = make_ears(config, source)
    for block in source.blocks():
        _take(ears.feed(block), enrolment, heard)
        if enrolment.enough or block.start_s >= at_most_s:
            return
    _take(ears.flush(), enrolment, heard)


def _take(items: list[EarItem], enrolment: Enrolment, heard: Callable[[float], object]) -> None:
    for item in items:
        if isinstance(item, Utterance):
            enrolment.hear(item.samples)
            heard(enrolment.voiced_s)
