"""Streams whose model is in another process: what they ask it, and that its answers are those of a model at hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from helpers.scripted_parts import Speaks
from helpers.settled import settled
from helpers.sources import Samples
from torch import Tensor

from livemerc.config import Config
from livemerc.events import LabelShift
from livemerc.model.merits import MeritsL, Window
from livemerc.pipeline.attribution import cause
from livemerc.pipeline.judging import Answer, AnswersItself, Question, answer
from livemerc.streams.batch import Parts, Rows, load_parts
from livemerc.streams.streams import Streams


@pytest.fixture(scope="module")
def config(configured: Callable[..., Config]) -> Config:
    return configured(asr__engine="none")


class Elsewhere:
    """Encoders and model behind calls that carry whole questions, counted."""

    def __init__(self, parts: Parts) -> None:
        assert isinstance(parts.model, MeritsL)
        self._parts, self._model = parts, parts.model
        self.labels, self.prior = parts.model.labels, parts.model.prior
        self.has_baseline, self.widths = parts.model.has_baseline, parts.model.widths
        self.asked: Counter[str] = Counter()

    def batch(self, texts: Sequence[str | None], voices: Sequence[np.ndarray | None]) -> list[Rows]:
        self.asked["batch"] += 1
        return self._parts.encoders.batch(texts, voices)

    def speech(self, samples: np.ndarray) -> Tensor:
        return self._parts.encoders.speech(samples)

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        self.asked["answer"] += 1
        return answer(self._model, questions)

    def deciding(self, window: Window, at: int, label: int) -> int | None:
        self.asked["deciding"] += 1
        return cause(self._model, window, at, label).at


def said(config: Config, bring_parts: Callable[[], Parts] | None) -> list[Any]:
    streams = Streams({"a": Samples(40.0)}, config, engines=Speaks(), bring_parts=bring_parts)
    return [event for _, event in streams.events()]


def test_a_model_elsewhere_gives_the_events_of_one_at_hand(config: Config) -> None:
    there: list[Elsewhere] = []

    def bring() -> Parts:
        parts = load_parts(config)
        there.append(Elsewhere(parts))
        return Parts(there[0], there[0], parts.device)

    here, elsewhere = said(config, None), said(config, bring)
    assert isinstance(there[0], AnswersItself)
    for key in ("batch", "answer"):
        assert there[0].asked[key] > 3
    assert [msgspec.to_builtins(e) for e in settled(elsewhere)] == [msgspec.to_builtins(e) for e in settled(here)]
    shifts = [[e for e in events if isinstance(e, LabelShift)] for events in (here, elsewhere)]
    assert shifts[0] == shifts[1]
    assert there[0].asked["deciding"] == len(shifts[0])


def test_a_model_at_hand_is_asked_as_ever(config: Config) -> None:
    assert not isinstance(load_parts(config).model, AnswersItself)
