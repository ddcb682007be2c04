"""Where one speaker of an utterance ends and another begins: where the voice changes, in the middle of an overlap if
there is one, else at the nearest dip of the level.

    windows of 1 s every .2 s --optimal partitioning--> parts --overlap or dip--> places --two or one?--> cuts

Optimal partitioning (Jackson et al. 2005, "An algorithm for optimal partitioning of data on an interval", IEEE Signal
Processing Letters 12(2)) of the embeddings of overlapping windows: the parts whose windows lie closest to their part's
mean, where each further part costs a constant. All places and any number of changes are weighed at once, so somebody
who says little between two turns of another is found, too. What is found is looked at again by whole turns.

That course costs most of all, and most utterances are one person's. So what costs less is asked first: whether
the windows of the utterance's own point are alike (`Limits.strays`), and whether every third window shows a change.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from livemerc.config import SAMPLE_RATE_HZ
from livemerc.speakers.diarizer import mixture_of, sample_of
from livemerc.speakers.embedder import sounding

if TYPE_CHECKING:
    from livemerc.speakers.embedder import SpeakerEmbedder, VoicePoint
    from livemerc.speakers.mixture import Mixture

LEAST_SIDE_S = 0.8
"""Voice that each turn must have of itself."""
WINDOW_S, STEP_S = 1.0, 0.2
CUT_NATS = 4.5
"""By so much two speakers must explain two neighbouring turns better than one does."""
MOST_TURNS = 8
COARSE_STEPS = 3
"""Every third window tells whether there is anything to look for: each part has at least one."""
LEAST_WINDOWS = 4
"""Of a part."""
_REACH_S = 0.35
"""So far from where the voice changes a dip is looked for."""
_NEARNESS_DB = 4.5
"""A dip a second away must be so much deeper than one here."""
_FRAME = SAMPLE_RATE_HZ // 100
_SMOOTH = 9


Overlap = tuple[int, int]
"""From which sample to which several speak at once."""


@dataclass(frozen=True, slots=True, eq=False)
class SpokenTurn:
    """What one person says, from sample `begin` to `end`; `point`: their voice there, None = too little of it."""

    begin: int
    end: int
    point: VoicePoint | None


@dataclass(frozen=True, slots=True)
class SpokenTurns:
    """Of an utterance, both in order."""

    turns: list[SpokenTurn]
    overlaps: list[Overlap]


def turns(samples: np.ndarray, embedder: SpeakerEmbedder, overlaps: Sequence[Overlap] = ()) -> list[SpokenTurn]:
    """(n,) float32 at 16 kHz -> its turns, in order and without gaps; one = one speaker, or too little to tell.
    overlaps: where several speak at once; where the voice changes there, one takes over from the other."""

    @cache
    def turn(begin: int, end: int) -> SpokenTurn:
        return SpokenTurn(begin, end, _point(samples, begin, end, embedder, overlaps))

    places = _borders(samples, turn(0, len(samples)).point, embedder, overlaps)
    return _confirmed([0, *places, len(samples)], turn, mixture_of(embedder.limits))


def _point(
    samples: np.ndarray, begin: int, end: int, embedder: SpeakerEmbedder, overlaps: Sequence[Overlap]
) -> VoicePoint | None:
    """Of the voice that is alone there, if there is enough of it, else of all that is there."""
    alone = np.ones(end - begin, bool)
    for first, last in overlaps:
        alone[max(0, first - begin) : max(0, last - begin)] = False
    if alone.all():
        return embedder.embed(samples[begin:end])
    point = embedder.embed(samples[begin:end][alone])
    return point if point is not None and point.voiced_s >= LEAST_SIDE_S else embedder.embed(samples[begin:end])


def _borders(
    samples: np.ndarray, whole: VoicePoint | None, embedder: SpeakerEmbedder, overlaps: Sequence[Overlap]
) -> list[int]:
    """Where the voice may change, with voice enough on either side. What costs least is asked first."""
    limits = embedder.limits
    if whole is None or (whole.strays is not None and whole.strays < limits.strays):
        return []
    voiced = np.concatenate(([0], np.cumsum(np.repeat(sounding(samples), 3))))  # in frames of 10 ms
    if len(samples) < (WINDOW_S + LEAST_WINDOWS * STEP_S) * SAMPLE_RATE_HZ or voiced[-1] < 200 * LEAST_SIDE_S:
        return []
    course = embedder.course(samples, WINDOW_S, STEP_S)
    if not changes(course.every(COARSE_STEPS), limits.coarse_cost, 1):
        return []
    changed = changes(course.every(1), limits.part_cost, LEAST_WINDOWS)
    places = [_overlap(overlaps, changed_s(window)) or _dip(samples, changed_s(window)) for window in changed]
    return _with_voice(places, len(samples), voiced)


def changed_s(window: int) -> float:
    """Seconds from the beginning to the middle between a window's middle and that of the one before."""
    return window * STEP_S + (WINDOW_S - STEP_S) / 2


def changes(course: np.ndarray, cost: float, least: int) -> list[int]:
    """(N, D), embeddings in order -> the first of each further part, of `least` embeddings or more: the partition whose
    summed squared distances from the parts' means, with `cost` a further part, are the least."""
    count = len(course)
    if count < 2 * least:
        return []
    sums = np.concatenate((np.zeros((1, course.shape[1])), np.cumsum(course, 0, dtype=np.float64)))
    squares = np.concatenate(([0.0], np.cumsum(np.square(course, dtype=np.float64).sum(1))))
    best, came_from = np.full(count + 1, np.inf), np.zeros(count + 1, int)
    best[0] = -cost
    for end in range(least, count + 1):
        begins = np.arange(end - least + 1)
        spread = squares[end] - squares[begins] - np.square(sums[end] - sums[begins]).sum(1) / (end - begins)
        totals = best[begins] + spread + cost
        came_from[end] = int(totals.argmin())
        best[end] = totals[came_from[end]]
    found = []
    at = int(came_from[count])
    while at > 0:
        found.append(at)
        at = int(came_from[at])
    return found[::-1]


def _overlap(overlaps: Sequence[Overlap], near_s: float) -> int | None:
    """The middle of the overlap that is nearest to `near_s`, if that is in reach."""
    near = near_s * SAMPLE_RATE_HZ
    away = [(max(begin - near, near - end, 0.0), (begin + end) // 2) for begin, end in overlaps]
    least, middle = min(away, default=(np.inf, 0))
    return middle if least <= _REACH_S * SAMPLE_RATE_HZ else None


def _dip(samples: np.ndarray, near_s: float) -> int:
    """The sample at which the level is lowest near `near_s`, and rather nearer than a little lower."""
    reach, middle = round(_REACH_S * 100), round(near_s * 100)
    first = max(0, middle - reach - _SMOOTH)
    piece = samples[first * _FRAME : (middle + reach + _SMOOTH + 1) * _FRAME]
    count = len(piece) // _FRAME
    power = np.square(piece[: count * _FRAME], dtype=np.float64).reshape(count, _FRAME).mean(1)
    level = 10 * np.log10(np.convolve(power, np.ones(_SMOOTH) / _SMOOTH, "same") + 1e-10)
    away = np.abs(first + np.arange(count) - middle)
    level = level + away * (_NEARNESS_DB / 100)
    level[away > reach] = np.inf
    return (first + int(level.argmin())) * _FRAME


def _with_voice(places: Sequence[int], count: int, voiced: np.ndarray) -> list[int]:
    """The places between which there is voice enough, from the first on. voiced: frames of voice before each frame."""

    def enough(begin: int, end: int) -> bool:
        low, high = (min(at // _FRAME, len(voiced) - 1) for at in (begin, end))
        return int(voiced[high] - voiced[low]) >= 100 * LEAST_SIDE_S

    kept: list[int] = []
    for place in places:
        if enough(kept[-1] if kept else 0, place):
            kept.append(place)
    while kept and not enough(kept[-1], count):
        kept.pop()
    return kept


def _confirmed(edges: Sequence[int], turn: Callable[[int, int], SpokenTurn], mixture: Mixture) -> list[SpokenTurn]:
    """Joins neighbouring turns, those that are most alike first, until two speakers explain each two of them better
    than one does."""
    found = [turn(begin, end) for begin, end in itertools.pairwise(edges)]
    while len(found) > 1:
        apart = [_apart(one.point, other.point, mixture) for one, other in itertools.pairwise(found)]
        at = int(np.argmin(apart))
        if apart[at] > CUT_NATS and len(found) <= MOST_TURNS:
            break
        found[at : at + 2] = [turn(found[at].begin, found[at + 1].end)]
    return found


def _apart(one: VoicePoint | None, other: VoicePoint | None, mixture: Mixture) -> float:
    """Nats by which two speakers explain the two better; too little voice is anybody's."""
    return -np.inf if one is None or other is None else mixture.apart(sample_of(one), sample_of(other))
