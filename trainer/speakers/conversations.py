"""Conversations made of clips, with who speaks when: to measure on where nobody recorded a meeting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from livemerc.config import SAMPLE_RATE_HZ

TURN_S = 1.5, 8.0
GAP_S = -0.2, 0.8
"""Below 0 two speak at once."""
_BETWEEN_CLIPS_S = 0.15
_FADE_S = 0.01
_EDGE_DB = 35.0
"""What is softer than a clip's loudest frame by more is no speech at its edges."""
_FRAME = SAMPLE_RATE_HZ // 100

Effect = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""What a room or a line does to (n,) samples: the same length and alignment."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Somebody speaks from `start_s` to `end_s`."""

    speaker: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Conversation:
    """`samples`: (n,) float32 at 16 kHz. `turns` in order of their begin."""

    name: str
    samples: np.ndarray
    turns: tuple[Turn, ...]

    @property
    def speakers(self) -> int:
        return len({turn.speaker for turn in self.turns})


def conversation(
    name: str,
    voices: Mapping[str, Sequence[Sequence[np.ndarray]]],
    turns: int,
    effect: Effect,
    rng: np.random.Generator,
) -> Conversation:
    """`turns` turns of `voices`: of each speaker moods, and of each mood clips, (n,) float32 at 16 kHz. Nobody follows
    upon themselves, and everybody speaks before anybody is drawn."""
    names = list(voices)
    order = [names[i] for i in rng.permutation(len(names))]
    while len(order) < turns:
        order.append(str(rng.choice([n for n in names if n != order[-1]])))
    levels = {n: 10 ** (float(rng.uniform(-4, 4)) / 20) for n in names}
    pieces: list[tuple[int, np.ndarray, str]] = []
    at = round(0.5 * SAMPLE_RATE_HZ)
    for speaker in order:
        said = _turn(voices[speaker], rng) * np.float32(levels[speaker])
        pieces.append((at, said, speaker))
        at = max(0, at + len(said) + round(float(rng.uniform(*GAP_S)) * SAMPLE_RATE_HZ))
    total = max(begin + len(said) for begin, said, _ in pieces) + SAMPLE_RATE_HZ
    samples = np.zeros(total, np.float32)
    found = []
    for begin, said, speaker in pieces:
        samples[begin : begin + len(said)] += said
        found.append(Turn(speaker, begin / SAMPLE_RATE_HZ, (begin + len(said)) / SAMPLE_RATE_HZ))
    samples = effect(samples, rng)
    return Conversation(
        name, (samples * np.float32(0.5 / (np.abs(samples).max() + 1e-9))).astype(np.float32), tuple(found)
    )


def _turn(moods: Sequence[Sequence[np.ndarray]], rng: np.random.Generator) -> np.ndarray:
    """Clips of one mood, one after the other, up to a length drawn from `TURN_S`; less where there is no more."""
    clips = moods[int(rng.integers(len(moods)))]
    wanted = round(float(rng.uniform(*TURN_S)) * SAMPLE_RATE_HZ)
    pause = np.zeros(round(_BETWEEN_CLIPS_S * SAMPLE_RATE_HZ), np.float32)
    said: list[np.ndarray] = []
    for i in rng.permutation(len(clips)):
        clip = spoken(clips[i])
        clip = clip * np.float32(0.05 / (np.sqrt(np.mean(clip**2)) + 1e-9))
        said += [clip] if not said else [pause, clip]
        if sum(map(len, said)) >= wanted:
            break
    whole = np.concatenate(said)[:wanted]
    fade = min(round(_FADE_S * SAMPLE_RATE_HZ), len(whole))
    whole = whole.copy()
    whole[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return whole


def spoken(clip: np.ndarray) -> np.ndarray:
    """The clip without the silence at its edges."""
    count = len(clip) // _FRAME
    if count < 2:
        return clip
    level = 10 * np.log10(np.square(clip[: count * _FRAME].reshape(count, _FRAME)).mean(1) + 1e-10)
    loud = np.flatnonzero(level > level.max() - _EDGE_DB)
    return clip[loud[0] * _FRAME : (loud[-1] + 1) * _FRAME]
