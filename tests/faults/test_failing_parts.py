"""A recogniser or model that raises, hangs or finds no memory costs words or labels, never an utterance."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch
from helpers.scripted_parts import Recited, ScriptedAsr, Talk, Watched, no_thread_stays, script_model, utterances

from livemerc.asr.engine import AsrEngine, GpuMemoryError, NoAsr
from livemerc.audio.source import Block
from livemerc.config import Config
from livemerc.errors import LivemercError, ModelError
from livemerc.events import Event, UtteranceFinal
from livemerc.pipeline.monitor import Monitor

TALK_S = 26.0
UTTERANCES = utterances(Talk(TALK_S), Config())


@pytest.fixture
def configured(configured: Callable[..., Config]) -> Callable[..., Config]:
    """Calls of the model are counted: those for utterances alone. What failing partials cost is tested elsewhere."""
    return partial(configured, live__partial_emotion_budget_ms=0)


@pytest.fixture
def held() -> Iterator[threading.Event]:
    """What hangs waits for this; released in the end, or the process would keep the thread."""
    event = threading.Event()
    yield event
    event.set()
    no_thread_stays()


def on(*numbers: int, do: Callable[[], Any]) -> Callable[[int], None]:
    """`do` at these calls."""

    def before(number: int) -> None:
        if number in numbers or not numbers:
            do()

    return before


def fails() -> None:
    raise RuntimeError("the decoder lost its way\nand more")


LIVE = pytest.mark.parametrize("live", [False, True], ids=["offline", "live"])


# -- the recogniser --------------------------------------------------------------------------------------------------


@LIVE
def test_a_recogniser_that_raises_costs_that_utterances_words(configured: Callable[..., Config], live: bool) -> None:
    watched = Watched(
        Monitor(Talk(TALK_S, live=live, pace=20), configured(), engine=ScriptedAsr(on(2, 4, do=fails), Recited()))
    )
    assert watched.error is None
    watched.keeps_the_contract(UTTERANCES)
    for number, final in enumerate(watched.finals, start=1):
        (first, *_) = watched.emotions(final.utterance_id)
        assert first.modality.speech is not None
        if number in (2, 4):
            assert (final.text, final.asr.gated) == ("", "not transcribed: the recogniser failed")
            assert first.modality.text is None
        else:
            assert final.text
            assert first.modality.text is not None
    no_thread_stays()


def test_one_failure_changes_nothing_for_the_utterances_before_it(configured: Callable[..., Config]) -> None:
    def firsts(before: Callable[[int], None]) -> list[Any]:
        watched = Watched(Monitor(Talk(TALK_S), configured(), engine=ScriptedAsr(before, Recited())))
        return [watched.emotions(f.utterance_id)[0].probabilities for f in watched.finals]

    assert firsts(on(5, do=fails))[:4] == firsts(lambda _: None)[:4]


@LIVE
def test_a_recogniser_that_always_raises_ends_the_session_with_everything_flushed(
    configured: Callable[..., Config], live: bool
) -> None:
    asr = ScriptedAsr(on(do=fails), Recited())
    watched = Watched(Monitor(Talk(TALK_S, live=live, pace=20), configured(live__failures_in_a_row=3), engine=asr))
    watched.keeps_the_contract()
    assert len(watched.finals) >= 3
    assert asr.calls == 3
    assert all(final.asr.gated == "not transcribed: the recogniser failed" for final in watched.finals)
    assert isinstance(watched.error, LivemercError)
    assert watched.error.exit_code == 6
    assert "RuntimeError: the decoder lost its way" in str(watched.error)
    assert "\n" not in str(watched.error)
    no_thread_stays()


def test_a_recogniser_whose_model_is_broken_ends_with_the_code_for_models(configured: Callable[..., Config]) -> None:
    def broken() -> None:
        raise ModelError("base: this Whisper model cannot be used; fetch it again.")

    watched = Watched(
        Monitor(Talk(TALK_S), configured(live__failures_in_a_row=2), engine=ScriptedAsr(on(do=broken), Recited()))
    )
    watched.keeps_the_contract()
    assert isinstance(watched.error, ModelError)
    assert watched.error.exit_code == 3


@LIVE
def test_a_recogniser_that_hangs_costs_words_until_it_comes_back(
    configured: Callable[..., Config], held: threading.Event, live: bool
) -> None:
    asr = ScriptedAsr(on(2, do=held.wait), Recited())

    def release(event: Event) -> None:
        if isinstance(event, UtteranceFinal) and event.utterance_id == "u4":
            held.set()

    config = configured(asr__time_limit_s=0.2)
    watched = Watched(Monitor(Talk(TALK_S, live=live, pace=4), config, engine=asr), release)
    assert watched.error is None
    watched.keeps_the_contract(UTTERANCES)
    gated = [final.asr.gated for final in watched.finals]
    assert gated[0] is None
    assert gated[1:4] == ["not transcribed: the recogniser does not answer"] * 3
    assert gated[-1] is None  # it came back
    assert watched.said("has not answered for over 0 s")
    assert len(asr.threads) == 1
    no_thread_stays()


def test_a_recogniser_that_never_comes_back_does_not_keep_the_session(
    configured: Callable[..., Config], held: threading.Event
) -> None:
    asr = ScriptedAsr(on(1, do=held.wait), Recited())
    watched = Watched(Monitor(Talk(TALK_S), configured(asr__time_limit_s=0.2), engine=asr))
    watched.keeps_the_contract(UTTERANCES)
    assert all(final.asr.gated == "not transcribed: the recogniser does not answer" for final in watched.finals)
    assert all(watched.emotions(f.utterance_id)[-1].modality.speech for f in watched.finals)
    assert asr.calls == 1
    no_thread_stays("livemerc-asr")


def test_a_full_gpu_moves_the_recogniser_to_the_cpu(configured: Callable[..., Config]) -> None:
    def full() -> None:
        raise GpuMemoryError("CUDA failed with error out of memory")

    class OnGpu(ScriptedAsr):
        def on_cpu(self) -> AsrEngine:
            return Recited()

    watched = Watched(Monitor(Talk(TALK_S), configured(), engine=OnGpu(on(2, do=full), Recited())))
    watched.keeps_the_contract(UTTERANCES)
    assert all(final.text for final in watched.finals)
    assert [final.asr.engine for final in watched.finals] == ["scripted"] + ["recited"] * (UTTERANCES - 1)
    assert watched.said("the recogniser runs on the CPU")


# -- the model -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["speech", "text", "window"])
def test_a_model_that_raises_costs_that_utterances_label(
    configured: Callable[..., Config], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    script_model(monkeypatch, on(3, do=fails), what)
    watched = Watched(Monitor(Talk(TALK_S), configured(), engine=Recited()))
    assert watched.error is None
    watched.keeps_the_contract(UTTERANCES)
    assert all(final.text for final in watched.finals)
    for number, final in enumerate(watched.finals, start=1):
        (first, *_, last) = watched.emotions(final.utterance_id)
        if number == 3:
            assert first.abstained == last.abstained == "model failed"
            assert first.modality.text is None
            assert first.modality.speech is None
            assert max(first.probabilities.values()) == pytest.approx(0.4)  # the prior of these weights
        else:
            assert first.abstained != "model failed"
            assert first.modality.speech is not None
    no_thread_stays()


def test_an_embedding_that_is_not_finite_does_not_spoil_its_neighbours(
    configured: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    from livemerc.model.encoders import Encoders

    real, calls = Encoders.speech, list[int]()

    def speech(self: Encoders, samples: Any) -> torch.Tensor:
        calls.append(1)
        row = real(self, samples)
        return row * float("nan") if len(calls) == 3 else row

    monkeypatch.setattr(Encoders, "speech", speech)
    watched = Watched(Monitor(Talk(TALK_S), configured(), engine=Recited()))
    watched.keeps_the_contract(UTTERANCES)
    withheld = [watched.emotions(f.utterance_id)[-1].abstained == "model failed" for f in watched.finals]
    assert withheld == [number == 3 for number in range(1, UTTERANCES + 1)]


@LIVE
def test_probabilities_that_are_not_finite_cost_that_utterances_label(
    configured: Callable[..., Config], monkeypatch: pytest.MonkeyPatch, live: bool
) -> None:
    from livemerc.model.merits import MeritsL, WindowProbabilities

    real, seen = MeritsL.windows, [0]

    def windows(self: MeritsL, given: Any) -> list[WindowProbabilities]:
        seen[0] += 1
        judged = real(self, given)
        if seen[0] != 3 + 2 * live:  # a live one is run twice before anybody waits
            return judged
        return [dataclasses.replace(one, fused=one.fused * float("nan")) for one in judged]

    monkeypatch.setattr(MeritsL, "windows", windows)
    watched = Watched(Monitor(Talk(TALK_S, live=live, pace=20), configured(), engine=Recited()))
    assert watched.error is None
    watched.keeps_the_contract(UTTERANCES)
    withheld = [watched.emotions(f.utterance_id)[0].abstained == "model failed" for f in watched.finals]
    assert withheld == [number == 3 for number in range(1, UTTERANCES + 1)]


@LIVE
def test_a_model_that_always_raises_ends_with_the_code_for_models(
    configured: Callable[..., Config], monkeypatch: pytest.MonkeyPatch, live: bool
) -> None:
    calls = script_model(monkeypatch, on(do=fails))
    watched = Watched(Monitor(Talk(TALK_S, live=live, pace=20), configured(live__failures_in_a_row=3), engine=NoAsr()))
    watched.keeps_the_contract()
    assert len(calls) == 3 + live  # a live one is run once before anybody waits, and that counts for nothing
    assert isinstance(watched.error, ModelError)
    assert watched.error.exit_code == 3
    assert watched.said("the model failed (RuntimeError: the decoder lost its way)")
    no_thread_stays()


@LIVE
def test_a_model_that_hangs_costs_labels_until_it_comes_back(
    configured: Callable[..., Config], monkeypatch: pytest.MonkeyPatch, held: threading.Event, live: bool
) -> None:
    script_model(monkeypatch, on(2, do=held.wait))

    def release(event: Event) -> None:
        if isinstance(event, UtteranceFinal) and event.utterance_id == "u4":
            held.set()

    config = configured(model__time_limit_s=0.5)
    watched = Watched(Monitor(Talk(TALK_S, live=live, pace=4), config, engine=Recited()), release)
    assert watched.error is None
    watched.keeps_the_contract(UTTERANCES)
    reasons = [watched.emotions(f.utterance_id)[0].abstained for f in watched.finals]
    assert reasons[1:3] == ["model does not answer"] * 2
    assert reasons[-1] != "model does not answer"
    assert watched.said("the model has not answered")


def test_a_full_gpu_moves_the_model_to_the_cpu(
    configured: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU, as far as a machine without one can tell: the estimator believes that it has one."""
    from livemerc.pipeline.estimator import Estimator

    def full() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    asr = Recited()
    calm = Watched(Monitor(Talk(TALK_S), configured(), engine=asr))
    real = Estimator._load

    def load(self: Estimator) -> None:
        real(self)
        self.device = "cuda"

    monkeypatch.setattr(Estimator, "_load", load)
    script_model(monkeypatch, on(3, do=full))
    watched = Watched(Monitor(Talk(TALK_S), configured(), engine=asr))
    watched.keeps_the_contract(UTTERANCES)
    assert watched.said("the model runs on the CPU")
    last = [watched.emotions(f.utterance_id)[-1].probabilities for f in watched.finals]
    assert last == [calm.emotions(f.utterance_id)[-1].probabilities for f in calm.finals]


# -- the source ------------------------------------------------------------------------------------------------------


class Stuck(Talk):
    """A device driver that hangs: `close` does not end `blocks`."""

    def __init__(self, end_s: float, held: threading.Event) -> None:
        super().__init__(end_s, live=True, pace=20.0)
        self._held = held

    def blocks(self) -> Iterator[Block]:
        yield from super().blocks()
        self._held.wait()


def test_a_source_that_does_not_let_go_costs_neither_the_open_utterance_nor_the_end(
    configured: Callable[..., Config], held: threading.Event
) -> None:
    asr = Recited()
    config = configured()
    expected = Watched(Monitor(Talk(10.5), config, engine=asr))
    assert expected.finals[-1].end_s > 10.0  # someone speaks when it gets stuck
    source = Stuck(10.5, held)
    monitor = Monitor(source, config, engine=asr)

    def stop_at_the_end(event: Event) -> None:
        if monitor.gauges().t_s > 10.4:
            monitor.stop()

    watched = Watched(monitor, stop_at_the_end)
    watched.keeps_the_contract(len(expected.finals))
    assert [(f.start_s, f.end_s) for f in watched.finals] == [(f.start_s, f.end_s) for f in expected.finals]
    no_thread_stays("livemerc-ears")


# -- stopping --------------------------------------------------------------------------------------------------------


def test_stopped_while_the_model_loads_what_was_heard_is_told_and_marked(
    configured: Callable[..., Config], monkeypatch: pytest.MonkeyPatch, held: threading.Event
) -> None:
    monkeypatch.setattr("livemerc.model.encoders.load_model", lambda *_, **__: held.wait())
    monitor = Monitor(Talk(TALK_S, live=True, pace=50.0), configured(live__stop_within_s=1.0), engine=Recited())
    threading.Thread(target=lambda: (_when(lambda: monitor.gauges().t_s > 9.0), monitor.stop())).start()
    watched = Watched(monitor)
    watched.keeps_the_contract()
    assert watched.finals
    assert {f.asr.gated for f in watched.finals} == {"not transcribed: the session was stopped"}
    for final in watched.finals:
        assert {e.abstained for e in watched.emotions(final.utterance_id)} == {"stopped before it was judged"}
    no_thread_stays("livemerc-model")


def test_stopped_while_the_recogniser_loads_and_nobody_has_spoken_the_session_ends_at_once(
    configured: Callable[..., Config], held: threading.Event
) -> None:
    def loads_for_ever() -> AsrEngine:
        held.wait()
        return NoAsr()

    monitor = Monitor(Talk(0.5, live=True), configured(live__stop_within_s=60), engine=loads_for_ever)
    began_s = time.monotonic()
    monitor.stop()
    watched = Watched(monitor)
    watched.keeps_the_contract(0)
    assert time.monotonic() - began_s < 30  # not the minute that it may take
    no_thread_stays("livemerc-load")


def test_a_reader_that_leaves_does_not_wait_for_a_recogniser_that_hangs(
    configured: Callable[..., Config], held: threading.Event
) -> None:
    events = Monitor(
        Talk(TALK_S, live=True, pace=20.0),
        configured(live__stop_within_s=60),
        engine=ScriptedAsr(on(2, do=held.wait), Recited()),
    ).events()
    next(e for e in events if isinstance(e, UtteranceFinal))
    events.close()  # type: ignore[attr-defined]  # a generator
    no_thread_stays("livemerc-asr")


def _when(true: Callable[[], bool]) -> None:
    while not true():
        time.sleep(0.01)
