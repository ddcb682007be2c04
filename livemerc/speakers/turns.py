"""Where one speaker of an utterance ends and another begins: in a dip of the level whose sides sound different."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from livemerc.config import SAMPLE_RATE_HZ
from livemerc.speakers.embedder import sounding

if TYPE_CHECKING:
    from livemerc.speakers.embedder import SpeakerEmbedder

LEAST_SIDE_S = 0.9
"""Voice that each side must have of itself."""
CUT_NATS = 7.0
"""By so much two speakers must explain an utterance better than one does. Of 135 dips in one reader's speech one in a
hundred is above 6.4, of 14 between two readers one in ten below 6."""
MOST_TURNS = 6
_DIPS = 6
"""Candidates that are looked at, the deepest ones first."""
_FRAME = SAMPLE_RATE_HZ // 100
_SMOOTH = 9
_APART_S = 0.3
_WINDOW_S, _STEP_S = 1.0, 0.2
"""Of the windows that tell which dip is looked at closely."""
_NEAR = 10
"""Windows on each side of it."""


def cuts(samples: np.ndarray, embedder: SpeakerEmbedder) -> list[int]:
    """(n,) float32 at 16 kHz -> where it is to be cut, in order; [] = one speaker, or too little to tell."""
    found: list[int] = []
    open_parts = [(0, len(samples))]
    while open_parts and len(found) < MOST_TURNS - 1:
        begin, end = open_parts.pop(0)
        at = _best_cut(samples[begin:end], embedder)
        if at is not None:
            found.append(begin + at)
            open_parts += [(begin, begin + at), (begin + at, end)]
    return sorted(found)


def _best_cut(samples: np.ndarray, embedder: SpeakerEmbedder) -> int | None:
    """The dip about which the voice changes most, if it changes enough."""
    from livemerc.speakers.diarizer import MIXTURE, sample_of

    candidates = dips(samples)
    if not candidates:
        return None
    begins, found = embedder.course(samples, _WINDOW_S, _STEP_S)
    at = max(candidates, key=lambda at: _change(at, begins, found))
    left, right = embedder.embed(samples[:at]), embedder.embed(samples[at:])
    if left is None or right is None or min(left.voiced_s, right.voiced_s) < LEAST_SIDE_S:
        return None
    return at if MIXTURE.apart(sample_of(left), sample_of(right)) > CUT_NATS else None


def _change(at: int, begins: np.ndarray, found: np.ndarray) -> float:
    """Distance of the mean embeddings of the windows on the two sides; few windows count less."""
    size = round(_WINDOW_S * SAMPLE_RATE_HZ)
    slack = size // 5
    left, right = found[begins + size <= at + slack][-_NEAR:], found[begins >= at - slack][:_NEAR]
    if not len(left) or not len(right):
        return 0.0
    means = [side.mean(0) for side in (left, right)]
    distance = float(np.linalg.norm(means[0] / np.linalg.norm(means[0]) - means[1] / np.linalg.norm(means[1])))
    return distance * (1 / (1 / len(left) + 1 / len(right))) ** 0.5


def dips(samples: np.ndarray) -> list[int]:
    """Places where the level has a minimum, with voice enough on both sides: the deepest, none near a deeper one."""
    count = len(samples) // _FRAME
    least = round(LEAST_SIDE_S * 100)
    if count < 2 * least:
        return []
    power = np.square(samples[: count * _FRAME], dtype=np.float64).reshape(count, _FRAME).mean(1)
    level = 10 * np.log10(np.convolve(power, np.ones(_SMOOTH) / _SMOOTH, "same") + 1e-10)
    voiced = np.cumsum(np.repeat(sounding(samples), 3))[:count]
    inside = [
        k for k in range(least, count - least)
        if k < len(voiced) and level[k] == level[max(0, k - 10) : k + 11].min()
        and voiced[k] >= least * 0.8 and voiced[-1] - voiced[k] >= least * 0.8
    ]  # fmt: skip
    chosen: list[int] = []
    for k in sorted(inside, key=lambda k: level[k]):
        if all(abs(k - other) > _APART_S * 100 for other in chosen):
            chosen.append(k)
        if len(chosen) == _DIPS:
            break
    return [k * _FRAME for k in sorted(chosen)]
