"""The embedder and the online speakers with the settings that were measured: what the pipeline and the trainer use."""

from __future__ import annotations

import numpy as np

from livemerc.speakers.embedder import VoicePoint
from livemerc.speakers.mixture import Mixture, Sample
from livemerc.speakers.online import OnlineSpeakers, Rules

MIXTURE = Mixture(between=0.8, dimensions=30.0, new_cost=3.0, scale=0.3, anchor=4.0, popularity=2.0)
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


def online_speakers(*, revise: int, at_most: int | None = None) -> OnlineSpeakers:
    """Of a new conversation."""
    return OnlineSpeakers(MIXTURE, Rules(revise=revise, sure=SURE, memory=MEMORY, at_most=at_most))
