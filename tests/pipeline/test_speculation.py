"""What is found out while the hangover still runs is what the final would have found out, or is thrown away."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from helpers.paths import DEMO
from helpers.processor import processor_with
from helpers.scripted_parts import Numbered
from helpers.synthetic import RATE_HZ, buzz, hush

from livemerc.asr.engine import NoAsr
from livemerc.audio.ears import Ears
from livemerc.audio.items import Ending, Utterance
from livemerc.audio.read import read_samples
from livemerc.audio.source import Block
from livemerc.config import Config
from livemerc.events import EmotionEvent, Event, UtteranceFinal, UtterancePartial
from livemerc.pipeline.patience import Situation
from livemerc.pipeline.processor import Processor
from livemerc.runtime.notices import Notice


@pytest.fixture(scope="module")
def config(configured: Callable[..., Config]) -> Config:
    return configured(model__device="cpu")


def through(samples: np.ndarray, config: Config, processor: Processor, *, endings: bool) -> list[Event]:
    ears = Ears(config, RATE_HZ, endings=endings)
    items = [i for at in range(0, len(samples), 320) for i in ears.feed(Block(samples[at : at + 320], at / RATE_HZ))]
    events = [event for item in items + ears.flush() for event in processor.handle(item)] + list(processor.finish())
    return [msgspec.structs.replace(e, timing=None) if isinstance(e, EmotionEvent) else e for e in events]


def without_partials(events: list[Event]) -> list[Event]:
    return [event for event in events if not isinstance(event, UtterancePartial)]


def endings_in(samples: np.ndarray, config: Config) -> tuple[int, int]:
    ears = Ears(config, RATE_HZ, endings=True)
    items = ears.feed(Block(samples, 0.0)) + ears.flush()
    return tuple(sum(isinstance(item, kind) for item in items) for kind in (Ending, Utterance))  # type: ignore[return-value]  # two


def test_the_events_are_those_of_an_utterance_heard_afterwards(config: Config) -> None:
    samples = read_samples(DEMO, RATE_HZ, 0.0, 25.0)
    plain_asr, early_asr = Numbered(), Numbered()
    plain, early = processor_with(plain_asr, config), processor_with(early_asr, config)
    expected = through(samples, config, plain, endings=False)
    assert without_partials(through(samples, config, early, endings=True)) == expected
    told, finals = endings_in(samples, config)
    assert plain.speculation.used == 0
    assert early.speculation.used >= finals - 1 > 2  # the last one is open when the samples end
    assert early.speculation.used + early.speculation.wasted == told
    assert len(plain_asr.asked) == finals
    assert len(early_asr.asked) == told + finals - early.speculation.used, "nothing is heard twice"


def test_what_was_in_vain_is_counted_and_forgotten(config: Config) -> None:
    samples = np.concatenate((hush(0.5), buzz(1.0), hush(0.25), buzz(1.0, seed=1), hush(1.0)))
    asr = Numbered()
    processor = processor_with(asr, config)
    events = through(samples, config, processor, endings=True)
    told, finals = endings_in(samples, config)
    assert (processor.speculation.used, processor.speculation.wasted) == (finals, told - finals) == (1, told - 1)
    assert told > 1
    assert processor.speculation.wasted_s > 0
    assert len(asr.asked) == told
    (final,) = (event for event in events if isinstance(event, UtteranceFinal))
    assert str(asr.asked[-1]) in final.text


def test_what_was_heard_in_a_pause_is_shown_whether_speech_goes_on_or_not(config: Config) -> None:
    samples = np.concatenate((hush(0.5), buzz(1.0), hush(0.25), buzz(1.0, seed=1), hush(1.0)))
    asr = Numbered()
    events = through(samples, config, processor_with(asr, config), endings=True)
    end = next(i for i, event in enumerate(events) if isinstance(event, UtteranceFinal))
    shown = [event.text for event in events[:end] if isinstance(event, UtterancePartial)]
    assert shown == [f"well {heard} or so" for heard in asr.asked]
    of_words = [event for event in events[: end + 1] if isinstance(event, UtterancePartial | UtteranceFinal)]
    assert {event.utterance_id for event in of_words} == {"u1"}


class Looks(Numbered):
    """Remembers how many samples its looks were at."""

    def __init__(self) -> None:
        super().__init__()
        self.looked: list[int] = []

    def partial(self, samples: np.ndarray) -> str:
        self.looked.append(len(samples))
        return f"look {len(self.looked)}"


def test_where_all_of_it_would_take_too_long_a_pause_is_looked_at_from_the_last_one_on(config: Config) -> None:
    samples = np.concatenate((hush(0.5), buzz(4.6), hush(0.25), buzz(1.0, seed=1), hush(1.0)))
    live = msgspec.structs.replace(config.live, ahead_budget_ms=1e-6, partial_budget_ms=5000.0)
    thrifty = msgspec.structs.replace(config, live=live)
    asr = Looks()
    events = through(samples, thrifty, processor_with(asr, thrifty), endings=True)
    ears = Ears(thrifty, RATE_HZ, endings=True)
    told = [len(i.utterance.samples) for i in ears.feed(Block(samples, 0.0)) + ears.flush() if isinstance(i, Ending)]
    assert asr.looked == [told[0], *np.diff(told)]
    shown = [event.text for event in events if isinstance(event, UtterancePartial)]
    assert shown[:2] == ["look 1", "look 1 look 2"]
    assert asr.asked == [told[-1]], "the final is heard whole, and once"


def test_what_screening_holds_back_is_not_shown(config: Config) -> None:
    samples = np.concatenate((hush(0.5), buzz(1.0), hush(1.0)))
    events = through(samples, config, processor_with(NoAsr(), config), endings=True)
    assert without_partials(events) == events


def test_a_failure_ahead_of_time_counts_for_nothing(config: Config) -> None:
    samples = np.concatenate((hush(0.5), buzz(1.0), hush(1.0)))
    asr, told = Numbered(), dict[Notice, str | None]()
    asr.fails = 1
    processor = processor_with(asr, config, Situation(tell=told.__setitem__))
    events = through(samples, config, processor, endings=True)
    assert len(asr.asked) == 2
    assert without_partials(events)[0].asr.gated is None
    assert told.get("asr") is None
    assert processor.speculation.used == 0


def test_never_where_it_takes_longer_or_the_words_are_given_once(config: Config) -> None:
    samples = np.concatenate((hush(0.5), buzz(1.0), hush(1.0)))
    thrifty = msgspec.structs.replace(config, live=msgspec.structs.replace(config.live, ahead_budget_ms=50.0))
    slow, once = Numbered(), Numbered()
    once.repeatable = False
    for asr, settings in ((slow, thrifty), (once, config)):
        processor = processor_with(asr, settings)
        through(samples, settings, processor, endings=True)
        assert len(asr.asked) == 1
        assert (processor.speculation.used, processor.speculation.wasted) == (0, 0)


def test_never_while_behind(config: Config) -> None:
    samples = np.concatenate((hush(0.5), buzz(1.0), hush(1.0)))
    asr = Numbered()
    processor = processor_with(asr, config, Situation(behind_s=lambda _: 5.0))
    through(samples, config, processor, endings=True)
    assert len(asr.asked) == 1
    assert processor.speculation.used == 0


def test_without_a_recogniser_the_voice_is_encoded_ahead_of_time(config: Config) -> None:
    samples = np.concatenate((hush(0.5), buzz(1.0), hush(1.0)))
    plain, early = processor_with(NoAsr(), config), processor_with(NoAsr(), config)
    assert through(samples, config, early, endings=True) == through(samples, config, plain, endings=False)
    assert early.speculation.used == 1
