"""Label sets: order, names, colours, glyphs. This order is that of every probability vector of the compact model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Emotion(NamedTuple):
    """How one label is shown: never by colour alone."""

    name: str
    colour: str  # Okabe-Ito based: distinguishable with the common colour-vision deficiencies
    glyph: str  # one cell wide in every terminal font
    valence: float  # -1 .. 1, for `expected_valence` only


EMOTIONS: dict[str, Emotion] = {
    e.name: e
    for e in (
        Emotion("neutral", "#9aa5b1", "·", 0.0),
        Emotion("joy", "#f0e442", "▲", 0.9),
        Emotion("sadness", "#56b4e9", "▼", -0.7),
        Emotion("anger", "#d55e00", "■", -0.8),
        Emotion("surprise", "#cc79a7", "◆", 0.2),
        Emotion("fear", "#009e73", "●", -0.8),
        Emotion("disgust", "#e69f00", "✖", -0.7),
    )
}

LABELS: tuple[str, ...] = tuple(EMOTIONS)
"""neutral, joy, sadness, anger, surprise, fear, disgust: MELD's seven classes."""

UNKNOWN = Emotion("?", "#9aa5b1", "?", 0.0)


def emotion(label: str) -> Emotion:
    """How `label` is shown; a label of a user's own checkpoint that is not listed here is shown in grey by name."""
    return EMOTIONS.get(label) or UNKNOWN._replace(name=label)


def expected_valence(probabilities: Mapping[str, float]) -> float | None:
    """The valence curve's value of one utterance, -1 (unpleasant) to 1 (pleasant): the mean of the valences above,
    weighted by the calibrated probabilities. None where listed labels hold less than half of the probability.

    The valences are a convention that orders the classes on one axis, not a measurement: read the course of the curve,
    not its figures. An utterance that was abstained from has no place on it.
    """
    known = [(p, EMOTIONS[label].valence) for label, p in probabilities.items() if label in EMOTIONS]
    mass = sum(p for p, _ in known)
    return sum(p * valence for p, valence in known) / mass if mass >= 0.5 else None
