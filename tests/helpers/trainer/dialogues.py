"""Dialogues of random embeddings in the widths of `networks.py`."""

from __future__ import annotations

import numpy as np
from helpers.networks import CONVERSATION_CONFIG

from trainer.loop.windows import DialogueFeatures

TEXT_WIDTH: int = CONVERSATION_CONFIG["text"]["width"]
SPEECH_WIDTH: int = CONVERSATION_CONFIG["speech"]["width"]


def random_dialogue(n: int, seed: int = 0) -> DialogueFeatures:
    """All four combinations of presence; what is absent is zero, as in the live cache."""
    rng = np.random.default_rng([seed, n])
    has_text, has_speech = rng.random(n) < 0.7, rng.random(n) < 0.7
    t1 = (rng.standard_normal((n, TEXT_WIDTH)) * has_text[:, None]).astype(np.float32)
    s1 = (rng.standard_normal((n, SPEECH_WIDTH)) * has_speech[:, None]).astype(np.float32)
    return DialogueFeatures(t1, s1, has_text, has_speech, rng.integers(7, size=n))
