"""A recogniser that decodes while people speak is shown what an utterance is sure to begin with, or how it seems to
end."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from helpers.paths import DEMO
from helpers.processor import processor_with
from helpers.settled import settled
from helpers.synthetic import RATE_HZ, buzz, hush

from livemerc.asr.engine import Following, Transcript
from livemerc.audio.ears import Ears
from livemerc.audio.items import Utterance
from livemerc.audio.read import read_samples
from livemerc.audio.source import Block
from livemerc.config import Config
from livemerc.events import Event
from livemerc.pipeline.patience import Situation
from livemerc.pipeline.processor import Processor
from livemerc.pipeline.recogniser import Recogniser
from livemerc.runtime.notices import Notice
from livemerc.runtime.worker import never

HEAD = RATE_HZ


class Whole:
    """Decodes an utterance when it has ended."""

    engine, model, repeatable = "scripted", None, False

    def transcribe(self, utterance: Utterance) -> Transcript:
        return Transcript(text=said(utterance.samples), confidence=0.9)

    def partial(self, samples: np.ndarray) -> str:
        return said(samples)

    def close(self) -> None:
        pass


class Listener(Whole):
    """Decodes it while it is said, and remembers what was left for its end."""

    def __init__(self) -> None:
        self.shown: list[np.ndarray] = []
        self.known = np.zeros(0, np.float32)
        self.left_s: list[float] = []
        self.lengths_s: list[float] = []
        self.fails = False
        self.strict = True

    def follows(self, samples: np.ndarray) -> bool:
        return len(samples) > HEAD

    def unheard_s(self, samples: np.ndarray) -> float:
        begins = np.array_equal(samples[: len(self.known)], self.known)
        return (len(samples) - (len(self.known) if begins else 0)) / RATE_HZ

    def follow(self, samples: np.ndarray) -> list[tuple[str, int, int, float]]:
        if self.fails:
            raise RuntimeError("as told")
        self.shown.append(samples)
        if len(samples) > len(self.known):
            self.known = samples
        return []

    def partial(self, samples: np.ndarray) -> str:
        if len(samples) > HEAD:
            self.follow(samples)
        return super().partial(samples)

    def transcribe(self, utterance: Utterance) -> Transcript:
        for begin in self.shown if self.strict else []:
            np.testing.assert_array_equal(utterance.samples[: len(begin)], begin)
        self.left_s.append(self.unheard_s(utterance.samples))
        self.lengths_s.append(len(utterance.samples) / RATE_HZ)
        self.shown, self.known = [], np.zeros(0, np.float32)
        return super().transcribe(utterance)


def said(samples: np.ndarray) -> str:
    return f"well {len(samples)} or so"


@pytest.fixture(scope="module")
def config(configured: Callable[..., Config]) -> Config:
    return configured(model__device="cpu")


def through(samples: np.ndarray, config: Config, processor: Processor) -> list[Event]:
    ears = Ears(config, RATE_HZ, 0.5, endings=True)
    items = [i for at in range(0, len(samples), 320) for i in ears.feed(Block(samples[at : at + 320], at / RATE_HZ))]
    return [event for item in items + ears.flush() for event in processor.handle(item)] + list(processor.finish())


def test_when_it_ends_nothing_is_left_and_the_events_are_the_same(config: Config) -> None:
    samples = read_samples(DEMO, RATE_HZ, 0.0, 30.0)
    listener = Listener()
    assert isinstance(listener, Following)
    events = through(samples, config, processor_with(listener, config))
    assert settled(events) == settled(through(samples, config, processor_with(Whole(), config)))
    followed = [left for left, length in zip(listener.left_s, listener.lengths_s, strict=True) if length > 1.5]
    assert len(followed) >= 5
    assert followed[:-1] == [0.0] * (len(followed) - 1)  # the last one is cut off with the samples


def test_a_pause_that_was_no_end_and_speech_without_one_show_nothing_that_is_taken_back(config: Config) -> None:
    talk = [buzz(1.5), hush(0.25), buzz(1.5, seed=1), hush(0.2), buzz(1.5, seed=2), hush(1.0), buzz(30.0, seed=3)]
    listener = Listener()
    through(np.concatenate([hush(0.5), *talk, hush(1.0)]), config, processor_with(listener, config))
    assert max(listener.lengths_s) > 8.0, "one was cut at its longest"
    assert len(listener.lengths_s) >= 3


def test_a_breath_past_what_is_settled_may_be_shown_in_vain(config: Config) -> None:
    """It looked like an end, and then the utterance was cut before it."""
    samples = np.concatenate([hush(0.5), buzz(10.0), hush(0.1), buzz(6.0, seed=1), hush(1.0)])
    listener = Listener()
    listener.strict = False
    events = through(samples, config, processor_with(listener, config))
    assert settled(events) == settled(through(samples, config, processor_with(Whole(), config)))
    assert listener.left_s[0] == listener.lengths_s[0], "it has to be decoded anew"


def test_a_failure_on_the_way_counts_for_nothing(config: Config) -> None:
    samples = np.concatenate((hush(0.5), buzz(3.0), hush(1.0)))
    listener, told = Listener(), dict[Notice, str | None]()
    processor = processor_with(listener, config, Situation(tell=told.__setitem__))
    listener.fails = True
    events = through(samples, config, processor)
    assert settled(events) == settled(through(samples, config, processor_with(Whole(), config)))
    assert processor.failure is None


def test_who_is_with_another_speaker_teaches_no_pace(config: Config) -> None:
    """It answers at once, and has decoded nothing: its next final would be thought to take no time."""

    class Elsewhere(Listener):
        def follow(self, samples: np.ndarray) -> list[tuple[str, int, int, float]]:
            return []

        def partial(self, samples: np.ndarray) -> str:
            return ""

    recogniser = Recogniser(Elsewhere(), config)
    samples = buzz(3.0)
    before = recogniser.expected_s(samples)
    assert not recogniser.follow(samples, give_up=never)
    assert recogniser.partial(samples, budget_s=10.0, give_up=never) == ""
    assert recogniser.expected_s(samples) == before
    recogniser.close()
