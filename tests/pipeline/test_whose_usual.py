"""Whose usual a voice is judged against: the transcript's speaker, else the channel's, else everybody's mean."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from helpers.networks import write_checkpoint
from helpers.processor import processor_with
from helpers.synthetic import buzz

from livemerc.asr.engine import NoAsr, Transcript
from livemerc.audio.items import Recalled, Speech, Utterance
from livemerc.config import Config
from livemerc.events import NO_SPEECH, EmotionEvent
from livemerc.pipeline.processor import Processor
from livemerc.pipeline.recogniser import Heard


class Names:
    """A recogniser that hears no words, and knows by heart who says the utterances `by` (from 1)."""

    engine, model, repeatable = "transcript", None, True

    def __init__(self, **by: str) -> None:
        self._by = by

    def transcribe(self, utterance: Utterance) -> Transcript:
        return Transcript("", speaker=self._by.get(utterance.utterance_id))

    def partial(self, samples: np.ndarray) -> str:
        return ""

    def close(self) -> None: ...


@pytest.fixture(scope="module")
def alone(configured: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A checkpoint with baselines, and no window: an estimate hangs on nothing but the voice and its baseline."""
    folder = write_checkpoint(tmp_path_factory.mktemp("baselines") / "checkpoint", baselines=True)
    return configured(
        model__checkpoint=str(folder), model__device="cpu", dialogue__context=1, dialogue__revise=0,
        live__partial_emotion_budget_ms=10_000,
    )  # fmt: skip


def utterance(number: int, channel: str | None = None, seed: int | None = None) -> Utterance:
    samples = buzz(1.5, seed=number if seed is None else seed)
    begin_s = 10.0 * number
    return Utterance(f"u{number}", samples, begin_s, begin_s, begin_s + 1.5, begin_s + 1.5, False, channel)


def alike(one: EmotionEvent, other: EmotionEvent) -> bool:
    return one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


def last_of(processor: Processor, *items: Utterance | Speech | Recalled) -> EmotionEvent:
    """The first estimate of the last one."""
    events = [event for item in items for event in [*processor.handle(item)][:2]]
    processor.close()
    estimate = events[-1]
    assert isinstance(estimate, EmotionEvent)
    return estimate


def test_a_transcripts_name_counts_before_the_channels(alone: Config) -> None:
    three = [utterance(1, "left"), utterance(2, "left"), utterance(3, "left")]
    by_channel = last_of(processor_with(Names(), alone), *three)
    by_name = last_of(processor_with(Names(u1="ann", u3="ann"), alone), *three)
    assert not alike(by_channel, by_name)
    assert alike(by_name, last_of(processor_with(Names(u1="ann", u3="ann"), alone), three[0], three[2]))
    nameless = [utterance(number) for number in (1, 2, 3)]
    assert alike(
        last_of(processor_with(Names(), alone), *nameless), last_of(processor_with(Names(), alone), nameless[2])
    )


def test_a_partial_estimate_is_against_the_usual_of_the_channels_speaker_and_enters_nothing(alone: Config) -> None:
    before, last = utterance(1, "left"), utterance(2, "left")
    so_far = Speech("u2", last.samples, last.start_s, last.end_s, "left")
    partial = last_of(processor_with(NoAsr(), alone), before, so_far)
    assert partial.status == "partial"
    assert alike(partial, last_of(processor_with(NoAsr(), alone), before, last))
    assert alike(partial, last_of(processor_with(NoAsr(), alone), before, so_far, so_far, last))
    assert not alike(partial, last_of(processor_with(NoAsr(), alone), so_far))


def test_words_that_come_late_may_say_who_spoke(configured: Callable[..., Config], alone: Config) -> None:
    config = configured(model__checkpoint=alone.model.checkpoint, model__device="cpu", dialogue__revise=2)
    late = Heard(Transcript("w1 w2", speaker="ann"), "transcript", None, 0.1)
    processor, known = (processor_with(Names(), config) for _ in range(2))
    for each, first in ((processor, utterance(1)), (known, utterance(1, "ann"))):
        list(each.handle(first))
        list(each._revise(first, late))
    probes = [last_of(each, utterance(2, "ann")) for each in (processor, known)]
    assert alike(*probes)


def test_a_voice_that_may_not_be_judged_enters_nothing(alone: Config) -> None:
    def heard(names: str | None, *items: Utterance) -> EmotionEvent:
        return last_of(processor_with(Names(u1="them"), msgspec.structs.replace(alone, judge_voice_of=names)), *items)

    mine = [utterance(number, "me") for number in (1, 2)]
    assert alike(heard("me", *mine), heard("me", mine[1]))


def test_a_recalled_voice_counts_as_if_it_had_been_said(alone: Config) -> None:
    first, second = utterance(1, "ann"), utterance(2, "ann")
    recalled = last_of(processor_with(NoAsr(), alone), Recalled(first.samples, "ann"), second)
    assert alike(recalled, last_of(processor_with(NoAsr(), alone), first, second))
    assert not alike(recalled, last_of(processor_with(NoAsr(), alone), second))


class Laughs(Names):
    """To whom the even utterances are no speech."""

    def transcribe(self, utterance: Utterance) -> Transcript:
        even = int(utterance.utterance_id.removeprefix("u")) % 2 == 0
        return Transcript("", gated=NO_SPEECH if even else None)


def test_ten_minutes_of_laughter_leave_no_mark(alone: Config) -> None:
    talk = [utterance(number, "ann") for number in (1, 3, 5, 101)]
    laughter = [utterance(number, "ann") for number in range(6, 100, 2)]
    disturbed = last_of(processor_with(Laughs(), alone), *talk[:3], *laughter, talk[3])
    undisturbed = last_of(processor_with(Laughs(), alone), *talk)
    assert disturbed.probabilities == undisturbed.probabilities
    assert not alike(disturbed, last_of(processor_with(Names(), alone), *talk[:3], *laughter[:3], talk[3]))
