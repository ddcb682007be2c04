"""The processor between conversations."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from helpers.processor import processor_with
from helpers.synthetic import RATE_HZ, buzz

from livemerc.asr.engine import NoAsr
from livemerc.audio.items import Utterance
from livemerc.config import Config
from livemerc.events import EmotionEvent
from livemerc.pipeline.processor import Processor


def said(number: int) -> Utterance:
    samples = buzz(1.0, seed=number)
    return Utterance(f"u{number}", samples, 0.0, 0.0, len(samples) / RATE_HZ, len(samples) / RATE_HZ, False)


def judged(processor: Processor, number: int) -> list[float]:
    (first,) = [e for e in processor.handle(said(number)) if isinstance(e, EmotionEvent) and e.status == "provisional"]
    return list(first.probabilities.values())


def test_what_was_forgotten_is_no_context(configured: Callable[..., Config]) -> None:
    processor, fresh = (processor_with(NoAsr(), configured(model__device="cpu")) for _ in range(2))
    judged(processor, 1)
    in_context = judged(processor, 2)
    processor.begin_dialogue()
    alone = judged(processor, 2)
    assert alone == judged(fresh, 2)
    assert alone != pytest.approx(in_context, abs=1e-4)
