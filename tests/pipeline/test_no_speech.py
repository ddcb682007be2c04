"""No speech is no emotion: the prior, withheld, and the conversation goes on as if it had never been heard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from helpers.networks import merits, random_dialogue
from helpers.processor import processor_with
from helpers.synthetic import RATE_HZ, buzz
from hypothesis import given, settings
from hypothesis import strategies as st

from livemerc.asr.engine import NoAsr, Transcript
from livemerc.audio.items import Speech, Utterance
from livemerc.config import Config, DialogueConfig
from livemerc.events import NO_SPEECH, EmotionEvent, Event, Modality, UtteranceFinal
from livemerc.model.checkpoint import Abstention
from livemerc.pipeline.abstention import Cues
from livemerc.pipeline.dialogue import Dialogue
from livemerc.pipeline.no_answer import NoAnswer
from livemerc.pipeline.processor import Processor
from livemerc.pipeline.recogniser import Heard

MODEL = merits(both=1.3, text_only=0.8, speech_only=2.0)
CUES = Cues(duration_s=2.0)
PRIOR = dict(zip(MODEL.labels, MODEL.prior, strict=True))


def run(cries: set[int], n: int, config: DialogueConfig, seed: int) -> list[EmotionEvent]:
    """Events of a random dialogue; before the utterances `cries` there is a sound that is no speech."""
    t1, s1, has_text, has_speech = random_dialogue(n, seed)
    dialogue = Dialogue(MODEL, config, Abstention())
    events = []
    for i in range(n):
        if i in cries:
            events += dialogue.add_no_speech(f"cry {i}", CUES)
        events += dialogue.add(f"u{i}", t1[i] if has_text[i] else None, s1[i] if has_speech[i] else None, CUES)
    return events + dialogue.freeze_all()


def is_nothing(event: EmotionEvent) -> bool:
    prior = pytest.approx(PRIOR, abs=1e-6)
    return event.abstained == NO_SPEECH and event.modality == Modality() and event.probabilities == prior


@settings(deadline=None, max_examples=30)
@given(
    cries=st.sets(st.integers(0, 9)), context=st.integers(1, 6), revise=st.integers(0, 4), seed=st.integers(0, 10_000)
)
def test_the_others_are_judged_as_if_it_had_never_been(cries: set[int], context: int, revise: int, seed: int) -> None:
    config = DialogueConfig(context=context, revise=revise, revision_step=0.0)
    events = run(cries, 10, config, seed)
    assert [e for e in events if not e.utterance_id.startswith("cry")] == run(set(), 10, config, seed)
    for i in cries:
        mine = [e for e in events if e.utterance_id == f"cry {i}"]
        assert [(e.status, e.revision) for e in mine] == [("provisional", 0), ("frozen", 1)]
        assert all(map(is_nothing, mine))


@pytest.mark.parametrize("alone", [True, False])
def test_what_was_judged_before_the_words_came_is_withdrawn(alone: bool) -> None:
    t1, s1, _, _ = random_dialogue(4, seed=3)
    config = DialogueConfig(context=4, revise=2, revision_step=0.0)
    with_cry, without = (Dialogue(MODEL, config, Abstention()) for _ in range(2))
    if not alone:
        for dialogue in (with_cry, without):
            dialogue.add("u0", t1[0], s1[0], CUES)
    (first,) = [e for e in with_cry.add("cry", None, s1[1], CUES) if e.status == "provisional"]
    assert first.abstained != NO_SPEECH
    revised, frozen = with_cry.withdraw("cry")
    assert (revised.status, frozen.status) == ("revised", "frozen")
    assert is_nothing(revised)
    assert is_nothing(frozen)
    assert not with_cry.is_open("cry")
    later, expected = (
        {e.utterance_id: e.probabilities for i in (2, 3) for e in dialogue.add(f"u{i}", t1[i], s1[i], CUES)}
        for dialogue in (with_cry, without)
    )
    assert later == {key: pytest.approx(value, abs=1e-6) for key, value in expected.items()}


class Crying:
    """A recogniser to whom the utterances `cries` (from 1) are no speech, and the others are "I am so glad"."""

    engine, model, repeatable = "scripted", None, True

    def __init__(self, *cries: int) -> None:
        self._cries = {f"u{number}" for number in cries}

    def transcribe(self, utterance: Utterance) -> Transcript:
        if utterance.utterance_id in self._cries:
            return Transcript("Aaah!", gated=NO_SPEECH)
        return Transcript("I am so glad.", confidence=0.9)

    def partial(self, samples: np.ndarray) -> str:
        return ""

    def close(self) -> None: ...


@pytest.fixture
def config(configured: Callable[..., Config]) -> Config:
    return configured(model__device="cpu", live__partial_emotion_budget_ms=10_000)


def said(number: int) -> Utterance:
    samples = buzz(1.5, seed=number)
    return Utterance(f"u{number}", samples, 0.0, 0.0, len(samples) / RATE_HZ, len(samples) / RATE_HZ, False)


def estimates(events: list[Event], utterance_id: str) -> list[EmotionEvent]:
    return [e for e in events if isinstance(e, EmotionEvent) and e.utterance_id == utterance_id]


def talk(processor: Processor, *numbers: int) -> list[Event]:
    events = [event for number in numbers for event in processor.handle(said(number))]
    return events + list(processor.finish())


def test_a_cry_gets_no_label_and_changes_nobody_elses(config: Config) -> None:
    events = talk(processor_with(Crying(2), config), 1, 2, 3)
    plain = talk(processor_with(Crying(2), config), 1, 3)
    mine = estimates(events, "u2")
    assert [e.status for e in mine] == ["provisional", "frozen"]
    assert {e.abstained for e in mine} == {NO_SPEECH}
    assert {e.modality for e in mine} == {Modality()}
    (final,) = [e for e in events if isinstance(e, UtteranceFinal) and e.utterance_id == "u2"]
    assert (final.asr.gated, final.text) == (NO_SPEECH, "Aaah!")
    for name in ("u1", "u3"):
        mine, expected = ([replace_timing(e) for e in estimates(which, name)] for which in (events, plain))
        assert mine == expected


def replace_timing(event: EmotionEvent) -> dict:
    return {name: getattr(event, name) for name in event.__struct_fields__ if name != "timing"}


def test_a_partial_label_is_superseded(config: Config) -> None:
    processor = processor_with(Crying(1), config)
    cry = said(1)
    shown = list(processor.handle(Speech("u1", cry.samples, cry.start_s, cry.end_s)))
    events = shown + list(processor.handle(cry)) + list(processor.finish())
    assert [e.status for e in estimates(events, "u1")] == ["partial", "provisional", "frozen"]
    assert estimates(events, "u1")[0].modality.speech is not None
    assert estimates(events, "u1")[1].abstained == NO_SPEECH


def test_late_words_withdraw_a_label(config: Config) -> None:
    processor = processor_with(NoAsr(), config)
    cry = said(1)
    first = list(processor.handle(cry))
    assert estimates(first, "u1")[0].abstained != NO_SPEECH
    late = Heard(Transcript("", gated=NO_SPEECH), "scripted", None, 0.1)
    events = first + list(processor._revise(cry, late)) + list(processor.finish())
    assert [e.status for e in estimates(events, "u1")] == ["provisional", "revised", "frozen"]
    assert estimates(events, "u1")[-1].abstained == NO_SPEECH


def test_without_a_recogniser_the_detector_alone_decides(config: Config) -> None:
    events = talk(processor_with(NoAsr(), config), 1)
    assert estimates(events, "u1")[0].modality.speech is not None
    assert estimates(events, "u1")[0].abstained != NO_SPEECH


def test_words_that_nobody_waited_for_are_no_sign_of_silence(config: Config) -> None:
    processor = processor_with(Crying(1), config)
    heard = processor.recogniser._nothing(NoAnswer.BEHIND)
    assert not heard.transcript.no_speech
    assert replace(heard.transcript, gated=NO_SPEECH).no_speech
