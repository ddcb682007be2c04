"""The brain between conversations."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from helpers.synthetic import RATE_HZ, buzz

from livemerc.asr.engine import NoAsr
from livemerc.audio.items import Utterance
from livemerc.config import Config
from livemerc.events import EmotionEvent
from livemerc.pipeline.processor import Brain


def said(number: int) -> Utterance:
    samples = buzz(1.0, seed=number)
    return Utterance(f"u{number}", samples, 0.0, 0.0, len(samples) / RATE_HZ, len(samples) / RATE_HZ, False)


def judged(brain: Brain, number: int) -> list[float]:
    (first,) = [e for e in brain.handle(said(number)) if isinstance(e, EmotionEvent) and e.status == "provisional"]
    return list(first.probabilities.values())


def test_what_was_forgotten_is_no_context(configured: Callable[..., Config]) -> None:
    brain, fresh = (Brain(configured(model__device="cpu"), NoAsr()) for _ in range(2))
    judged(brain, 1)
    in_context = judged(brain, 2)
    brain.forget()
    alone = judged(brain, 2)
    assert alone == judged(fresh, 2)
    assert alone != pytest.approx(in_context, abs=1e-4)
