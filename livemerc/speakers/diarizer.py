"""The embedder and the online speakers with the settings that were measured: what the pipeline and the trainer use."""

from __future__ import annotations

import numpy as np

from livemerc.speakers.embedder import VoicePoint
from livemerc.speakers.mixture import Mixture, Sample
from livemerc.speakers.online import OnlineSpeakers, Rules
from livemerc.speakers.scale import Limits

NEW_COST, SCALE, ANCHOR, POPULARITY = 4.0, 0.2, 4.0, 2.0
"""Of the mixture. Tuned with GE2E (trainer/LOG.md), and the same whatever the embedder."""
LEAST_NEW_S = 1.0
"""Less voice makes nobody new: such an embedding is often nearer to a stranger's than to its own speaker's."""
SURE = 0.5
MEMORY = 20.0
FULL_S = 2.0
"""Seconds of voice from which an embedding weighs 1; below it weighs less, in proportion."""
MOST_WEIGHT = 1.5


def sample_of(point: VoicePoint) -> Sample:
    """What an utterance's embedding is worth among others."""
    weight = min(MOST_WEIGHT, point.voiced_s / FULL_S)
    return Sample(point.x.astype(np.float64), weight, point.voiced_s >= LEAST_NEW_S)


def mixture_of(limits: Limits) -> Mixture:
    """For the points of an embedder with these limits."""
    return Mixture(
        between=limits.between,
        dimensions=limits.dimensions,
        new_cost=NEW_COST,
        scale=SCALE,
        anchor=ANCHOR,
        popularity=POPULARITY,
    )


def online_speakers(limits: Limits, *, revise: int, at_most: int | None = None) -> OnlineSpeakers:
    """Of a new conversation, whose voices an embedder with these `limits` hears."""
    return OnlineSpeakers(mixture_of(limits), Rules(revise=revise, sure=SURE, memory=MEMORY, at_most=at_most))
