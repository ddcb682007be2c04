"""Partial estimates: when there is one, what it is, and that nothing waits for it or depends on it."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from helpers.processor import processor_with
from helpers.sessions import conversation, emotion, write_session

from livemerc.asr.engine import NoAsr
from livemerc.audio.items import EarItem, Speech, Utterance
from livemerc.config import Config
from livemerc.console.plain import PlainPrinter
from livemerc.events import EmotionEvent, Event, UtteranceFinal, UtterancePartial
from livemerc.model.encoders import Encoders
from livemerc.pipeline.partials import Every, snapshot_every_s
from livemerc.pipeline.patience import Situation
from livemerc.pipeline.processor import Processor
from livemerc.sessions.player import Player
from livemerc.sessions.session import read_session

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def config(configured: Callable[..., Config]) -> Config:
    # a machine full of other work is slow: that a dear partial estimate is left out has its own test
    return configured(asr__engine="none", live__partial_emotion_budget_ms=10_000)


def voice(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE_HZ)).astype(np.float32)


def open_one(number: int, so_far_s: float, start_s: float = 0.0) -> Speech:
    return Speech(f"u{number}", voice(so_far_s + 0.3, number), start_s, start_s + so_far_s)


def said(number: int, seconds: float, start_s: float = 0.0) -> Utterance:
    end_s = start_s + seconds
    return Utterance(f"u{number}", voice(seconds + 0.7, number), start_s, start_s, end_s, end_s + 0.4, False)


def partials(events: list[Event]) -> list[EmotionEvent]:
    return [e for e in events if isinstance(e, EmotionEvent) and e.status == "partial"]


def handled(processor: Processor, *items: EarItem) -> list[Event]:
    return [event for item in items for event in processor.handle(item)]


@pytest.fixture
def processor(config: Config) -> Iterator[Processor]:
    made = processor_with(NoAsr(), config)
    yield made
    made.close()


def test_while_somebody_speaks_the_voice_is_judged_twice_a_second_at_most(processor: Processor) -> None:
    """Snapshots every tenth of a second; the first ones might still be a cough."""
    items = [open_one(1, tenths / 10) for tenths in range(1, 31)]
    found = partials(handled(processor, *items))
    assert len(found) == 5  # .7, 1.2, 1.7, 2.2, 2.7 s
    for event in found:
        assert (event.utterance_id, event.revision, event.timing) == ("u1", 0, None)
        assert event.modality.text is None
        assert event.modality.speech is not None
        assert sum(event.probabilities.values()) == pytest.approx(1.0)
        assert event.label == max(event.probabilities, key=event.probabilities.__getitem__)
    assert len({e.confidence for e in found}) > 1


def test_speakers_at_the_same_time_are_each_judged(processor: Processor) -> None:
    items = [open_one(n, tenths / 10) for tenths in range(1, 19) for n in (1, 2)]
    found = partials(handled(processor, *items))
    assert [e.utterance_id for e in found] == ["u1", "u2"] * 3


def test_the_final_estimates_are_the_same_with_and_without(config: Config) -> None:
    finals = [said(n, 2.0, 5.0 * n) for n in range(1, 6)]
    seen = []
    for shown in (False, True):
        processor = processor_with(NoAsr(), config)
        events: list[Event] = []
        for final in finals:
            number = int(final.utterance_id[1:])
            if shown:
                events += handled(processor, open_one(number, 1.0, final.start_s), open_one(number, 1.8, final.start_s))
            events += handled(processor, final)
        events += processor.finish()
        assert bool(partials(events)) == shown
        seen.append(
            [
                msgspec.structs.replace(e, timing=None) if isinstance(e, EmotionEvent) else e
                for e in events
                if isinstance(e, UtteranceFinal) or (isinstance(e, EmotionEvent) and e.status != "partial")
            ]
        )
    assert seen[0] == seen[1]
    assert len(seen[0]) >= 15


def test_of_a_long_one_the_newest_seconds_are_looked_at(
    configured: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[np.ndarray] = []
    real = Encoders.speech
    monkeypatch.setattr(Encoders, "speech", lambda *a: heard.append(a[1]) or real(*a))
    config = configured(asr__engine="none", live__partial_emotion_budget_ms=10_000, live__partial_emotion_last_s=2)
    processor = processor_with(NoAsr(), config)
    heard.clear()  # of warming up
    short, long = open_one(1, 1.0), open_one(2, 9.0)
    assert len(partials(handled(processor, short, long))) == 2
    np.testing.assert_array_equal(heard[0], short.samples)
    np.testing.assert_array_equal(heard[1], long.samples[-2 * RATE_HZ :])
    processor.close()


def test_text_only_judges_no_voice(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    def heard(*_: object) -> None:
        raise AssertionError("the voice was looked at")

    monkeypatch.setattr(Encoders, "speech", heard)
    text_only = msgspec.structs.replace(config, model=msgspec.structs.replace(config.model, text_only=True))
    processor = processor_with(NoAsr(), text_only)
    assert partials(handled(processor, *(open_one(1, s) for s in (1.0, 2.0, 3.0)))) == []
    processor.close()
    assert snapshot_every_s(text_only) == config.live.partial_every_s


def test_while_behind_there_is_none(config: Config) -> None:
    lag_s = 0.0
    processor = processor_with(NoAsr(), config, Situation(behind_s=lambda _: lag_s))
    assert partials(handled(processor, open_one(1, 1.0)))
    lag_s = config.overload.skip_partials_after_s + 0.1
    handled(processor, said(1, 2.0))  # the lag is measured by what is in hand
    assert partials(handled(processor, open_one(2, 1.0, 5.0))) == []
    processor.close()


def test_one_that_would_take_too_long_is_left_out_and_tried_again_when_finals_are_fast(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    speech = Encoders.speech
    slow_s = 0.5

    def slow(self: Encoders, samples: np.ndarray):
        time.sleep(slow_s)
        return speech(self, samples)

    monkeypatch.setattr(Encoders, "speech", slow)
    live = msgspec.structs.replace(config.live, partial_emotion_budget_ms=300)
    processor = processor_with(NoAsr(), msgspec.structs.replace(config, live=live))
    assert len(partials(handled(processor, *(open_one(1, s) for s in (1.0, 2.0, 3.0))))) == 1  # nobody knew before
    slow_s = 0.0
    handled(processor, said(1, 6.0))
    assert partials(handled(processor, open_one(2, 1.0, 10.0)))
    processor.close()


def test_one_that_fails_or_hangs_costs_nothing(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten failures would end a session if they were finals; a hanging one is left, and the final waits its turn."""
    speech = Encoders.speech
    fails, hangs = True, threading.Event()
    waiting = threading.Event()

    def failing(self: Encoders, samples: np.ndarray):
        if fails:
            raise RuntimeError("no kernel")
        if not hangs.is_set() and threading.current_thread().name == "livemerc-model" and len(samples) < 2 * RATE_HZ:
            waiting.set()
            hangs.wait(60)
        return speech(self, samples)

    monkeypatch.setattr(Encoders, "speech", failing)
    told: list[str | None] = []
    processor = processor_with(NoAsr(), config, Situation(tell=lambda _, sentence: told.append(sentence)))
    assert partials(handled(processor, *(open_one(1, 1.0 + s) for s in range(10)))) == []
    assert processor.failure is None
    fails = False
    began = time.monotonic()
    assert partials(handled(processor, open_one(2, 1.0, 20.0))) == []
    assert waiting.is_set()
    assert time.monotonic() - began < 30
    assert partials(handled(processor, open_one(2, 1.6, 20.0))) == []  # the model is busy
    hangs.set()
    estimates = [e for e in handled(processor, said(2, 3.0, 20.0)) if isinstance(e, EmotionEvent)]
    assert estimates[0].status == "provisional"
    assert estimates[0].abstained != "model failed"
    assert not any(told)
    processor.close()


def test_hypotheses_keep_their_own_pace(config: Config) -> None:
    class Hears(NoAsr):
        def partial(self, samples: np.ndarray) -> str:
            return f"{len(samples)}"

    processor = processor_with(Hears(), config)
    tenths = (open_one(1, tenth / 10) for tenth in range(5, 46))
    words = [e for e in handled(processor, *tenths) if isinstance(e, UtterancePartial)]
    assert len(words) == 9, "twice a second"
    processor.close()


def test_the_ears_show_what_they_hear_as_often_as_somebody_asks(config: Config) -> None:
    assert snapshot_every_s(config) == 0.5
    never = msgspec.structs.replace(config.live, partial_emotion_budget_ms=0)
    assert snapshot_every_s(msgspec.structs.replace(config, live=never)) == 0.5
    slower = msgspec.structs.replace(config.live, partial_emotion_budget_ms=0, partial_every_s=2.0)
    assert snapshot_every_s(msgspec.structs.replace(config, live=slower)) == 2.0


def test_an_id_that_is_used_again_in_an_earlier_time_is_due() -> None:
    every = Every(0.5)
    assert every.due(open_one(1, 3.0))
    assert not every.due(open_one(1, 3.4))
    assert every.due(open_one(1, 1.0))


def test_a_record_with_partials_is_read_and_printed_as_one_without(tmp_path: Path) -> None:
    plain = conversation(3)
    luxurious: list[Event] = []
    for event in plain:
        if isinstance(event, UtteranceFinal):
            number = int(event.utterance_id[1:])
            luxurious += [emotion(number, "partial", joy=0.2), emotion(number, "partial", joy=0.9)]
        luxurious.append(event)
    assert len(luxurious) == len(plain) + 6
    lines, sessions = [], []
    for name, events in (("plain", plain), ("luxurious", luxurious)):
        folder = write_session(tmp_path / name, events)
        read = read_session(folder)
        sessions.append([(u.final, u.estimates) for u in read.utterances])
        assert read.damaged == 0
        assert list(Player(folder, speed=0).events()) == events
        out = io.StringIO()
        printer = PlainPrinter(out, log=io.StringIO())
        for event in events:
            printer.write(event)
        lines.append(out.getvalue())
    assert lines[0] == lines[1] != ""
    assert sessions[0] == sessions[1]
