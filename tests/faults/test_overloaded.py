"""A recogniser that cannot keep up: lag is bounded by giving up words, in the written order, and nothing in silence."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from helpers.processor import processor_with
from helpers.scripted_parts import Recited, ScriptedAsr, Talk, Watched, no_thread_stays, stretches
from helpers.settled import settled

from livemerc.audio.items import Speech, Utterance
from livemerc.audio.make_ears import make_ears
from livemerc.config import Config
from livemerc.events import EmotionEvent, Event, SessionEnd, UtteranceFinal, UtterancePartial
from livemerc.pipeline.monitor import Monitor
from livemerc.pipeline.patience import Situation
from livemerc.pipeline.processor import Processor
from livemerc.runtime.notices import Notice

PATIENCE_S = 60.0
TALK_S = 26.0


@pytest.fixture(scope="module")
def spoken() -> list[Utterance]:
    ears = make_ears(Config(), Talk(TALK_S))
    items = [item for block in Talk(TALK_S).blocks() for item in ears.feed(block)] + ears.flush()
    return [item for item in items if isinstance(item, Utterance)]


class Slow(Recited):
    """Takes `factor` times as long as the speech lasts, on a clock that runs `pace` times as fast."""

    engine = "slow"

    def __init__(self, factor: float, pace: float) -> None:
        self.factor, self.pace, self.over = factor, pace, threading.Event()

    def transcribe(self, utterance: Utterance) -> Any:
        self.over.wait(self.factor * len(utterance.samples) / 16_000 / self.pace)
        return super().transcribe(utterance)


def test_five_times_too_slow_the_lag_is_bounded_and_every_second_is_accounted_for(
    configured: Callable[..., Config], spoken: list[Utterance]
) -> None:
    pace = 4.0
    asr = Slow(5.0, pace)
    config = configured(
        overload__skip_partials_after_s=1.0, overload__fast_asr_after_s=2.0, overload__speech_only_after_s=3.0
    )
    watched = Watched(Monitor(Talk(TALK_S, live=True, pace=pace), config, engine=asr))
    assert watched.error is None
    watched.keeps_the_contract(len(spoken))
    assert stretches(watched.events) == [(u.utterance_id, u.start_s, u.end_s) for u in spoken]
    end = watched.events[-1]
    assert isinstance(end, SessionEnd)
    assert end.dropped_s == 0.0
    assert watched.said("judging by the voice alone, the words come when there is time")
    # Without the degrade order the last words would come 5 times the talk later.
    assert max(watched.lags_s) < TALK_S
    for final in watched.finals:
        first, *_, last = watched.emotions(final.utterance_id)
        assert first.modality.speech is not None
        if final.text:
            assert final.asr.gated is None
        else:
            assert final.asr.gated == "not transcribed in time"
            assert first.modality.text is None
            assert (last.late_text is None) == (last.modality.text is None)
    # When the talk is over there is time: the utterances that are still open get their words.
    assert any(watched.emotions(final.utterance_id)[-1].late_text for final in watched.finals)
    no_thread_stays()


def test_a_recogniser_that_recovers_is_waited_for_again(configured: Callable[..., Config]) -> None:
    asr = Slow(20.0, 4.0)
    # Late words are looked for four times a second: that alone is a second behind in this talk, and no overload.
    # The talk goes four times as fast, and words are tried again as much oftener.
    config = configured(overload__speech_only_after_s=4.0, overload__calm_s=0.1, overload__retry_words_every_s=1.0)

    monitor = Monitor(Talk(400.0, live=True, pace=4.0), config, engine=asr)
    waited_for: list[UtteranceFinal] = []

    def recover(event: Event) -> None:
        if not isinstance(event, UtteranceFinal):
            return
        if event.utterance_id == "u3":
            asr.factor = 0.0
            asr.over.set()
        elif asr.factor == 0.0 and event.asr.gated is None and event.text:  # a busy machine takes longer until then
            waited_for.append(event)
            monitor.stop()

    watched = Watched(monitor, recover)
    watched.keeps_the_contract()
    assert watched.said("judging by the voice alone")
    assert "not transcribed in time" in [final.asr.gated for final in watched.finals]
    assert waited_for
    no_thread_stays()


def test_a_stop_does_not_wait_for_words_that_are_late(configured: Callable[..., Config]) -> None:
    asr = Slow(10_000.0, 1.0)
    monitor = Monitor(Talk(TALK_S, live=True, pace=4.0), configured(overload__speech_only_after_s=2.0), engine=asr)

    def stop(event: Event) -> None:
        if isinstance(event, UtteranceFinal) and event.utterance_id == "u2":
            monitor.stop()

    watched = Watched(monitor, stop)  # comes back at all: the words would take hours
    watched.keeps_the_contract()
    assert isinstance(watched.events[-1], SessionEnd)
    asr.over.set()
    no_thread_stays()


# -- the processor alone, at a lag that the test sets ----------------------------------------------------------------


def processor_behind(config: Config, asr: Any, lag_s: list[float], sentences: dict[Notice, str | None]) -> Processor:
    situation = Situation(behind_s=lambda _: lag_s[0], tell=sentences.__setitem__)
    return processor_with(asr, config, situation)


def test_behind_no_hypothesis_is_tried(configured: Callable[..., Config], spoken: list[Utterance]) -> None:
    class Hypotheses(Recited):
        def partial(self, samples: Any) -> str:
            return "hello"

    speech = Speech("u1", spoken[0].samples[:8000], 0.0, 0.5)
    lag_s, sentences = [0.0], dict[Notice, str | None]()
    processor = processor_behind(configured(), Hypotheses(), lag_s, sentences)
    assert [type(e) for e in processor.handle(speech)] == [UtterancePartial]
    lag_s[0] = 4.0
    list(processor.handle(spoken[0]))
    assert list(processor.handle(speech)) == []
    assert sentences[Notice.OVERLOAD] == "behind: no partial hypotheses until caught up"
    processor.close()


def test_further_behind_the_fastest_recogniser_is_taken(
    configured: Callable[..., Config], spoken: list[Utterance]
) -> None:
    class Dear(Slow):
        def lighter(self) -> Recited:
            return Recited()

    lag_s, sentences = [7.0], dict[Notice, str | None]()
    processor = processor_behind(configured(), Dear(0.0, 1.0), lag_s, sentences)
    (final, *_) = processor.handle(spoken[0])
    assert isinstance(final, UtteranceFinal)
    assert final.asr.engine == "recited"
    assert "fastest recogniser" in (sentences[Notice.OVERLOAD] or "")
    processor.close()


def test_a_recogniser_that_hangs_while_behind_is_told_and_ended(
    configured: Callable[..., Config], spoken: list[Utterance]
) -> None:
    """By default the session is behind long before a call counts as one that hangs: both must be noticed."""

    class Hangs(Slow):
        interrupted = False

        def interrupt(self) -> None:
            self.interrupted = True
            self.over.set()

    asr, lag_s, sentences = Hangs(1e6, 1.0), [0.0], dict[Notice, str | None]()
    processor = processor_behind(configured(asr__time_limit_s=0.3), asr, lag_s, sentences)
    lag_s[0] = 12.0
    list(processor.handle(spoken[0]))  # nobody waits for its words
    list(processor.catch_up())  # they are begun
    until_s = time.monotonic() + 30
    while not asr.interrupted:
        assert time.monotonic() < until_s
        list(processor.handle(spoken[1]))
        time.sleep(0.05)
    assert "has not answered" in (sentences[Notice.ASR_HANGS] or "")
    processor.close()


def test_a_hypothesis_that_hangs_does_not_hold_up_what_waits_behind_it(
    configured: Callable[..., Config], spoken: list[Utterance]
) -> None:
    class Hangs(Recited):
        over = threading.Event()

        def partial(self, samples: Any) -> str:
            self.over.wait()
            return ""

    asr = Hangs()
    processor = processor_behind(configured(), asr, [0.0], {})  # a call may take two minutes by default
    speech = Speech("u1", spoken[0].samples[:8000], 0.0, 0.5)
    done = threading.Thread(target=lambda: list(processor.handle(speech)), daemon=True)
    done.start()
    done.join(60)
    assert not done.is_alive()
    asr.over.set()
    processor.close()


def test_words_that_come_late_revise_to_what_they_would_have_said_in_time(
    configured: Callable[..., Config], spoken: list[Utterance]
) -> None:
    in_time = processor_with(Recited(), configured())
    expected = [e for u in spoken[:2] for e in in_time.handle(u) if isinstance(e, EmotionEvent)][-1]
    in_time.close()
    lag_s, asr = [0.0], Slow(0.0, 1.0)
    processor = processor_behind(configured(), asr, lag_s, {})
    list(processor.handle(spoken[0]))
    lag_s[0], asr.factor = 12.0, 1000.0
    final, *estimates = processor.handle(spoken[1])
    assert isinstance(final, UtteranceFinal)
    assert (final.text, final.asr.gated) == ("", "not transcribed in time")
    assert isinstance(estimates[-1], EmotionEvent)
    assert estimates[-1].modality.text is None
    assert processor.words_pending
    asr.over.set()
    late: list[Event] = []
    until_s = time.monotonic() + PATIENCE_S
    while not late:
        assert time.monotonic() < until_s
        late += processor.catch_up()
        time.sleep(0.01)
    revised = next(e for e in late if isinstance(e, EmotionEvent) and e.utterance_id == "u2")
    assert revised.status == "revised"
    assert revised.late_text == "w1 hello great"
    assert revised.probabilities == pytest.approx(expected.probabilities)
    frozen = [e for e in processor.finish() if isinstance(e, EmotionEvent)]
    assert {e.utterance_id: e.late_text for e in frozen} == {"u1": None, "u2": "w1 hello great"}


def test_too_far_behind_even_for_the_voice_the_label_is_withheld(
    configured: Callable[..., Config], spoken: list[Utterance]
) -> None:
    lag_s, sentences = [31.0], dict[Notice, str | None]()
    processor = processor_behind(configured(), Recited(), lag_s, sentences)
    final, first = processor.handle(spoken[0])
    assert isinstance(final, UtteranceFinal)
    assert isinstance(first, EmotionEvent)
    assert first.abstained == "behind: not judged"
    assert "no labels until caught up" in (sentences[Notice.MODEL_BEHIND] or "")
    lag_s[0] = 0.0
    *_, second = processor.handle(spoken[1])
    assert isinstance(second, EmotionEvent)
    assert second.modality.speech is not None
    assert sentences[Notice.MODEL_BEHIND] is None
    processor.close()


def test_a_scripted_recogniser_in_time_changes_nothing(configured: Callable[..., Config]) -> None:
    """Live, with time to spare, gives what offline gives: the degrade order sleeps."""
    found = []
    for live in (True, False):
        config = configured(overload__skip_partials_after_s=600)
        engine = ScriptedAsr(lambda _: None, Recited())
        found.append(settled(Watched(Monitor(Talk(TALK_S, live=live, pace=10.0), config, engine=engine)).events))
    assert found[0] == found[1]
