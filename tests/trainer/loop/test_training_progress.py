"""Progress: rate and time left by a clock that the test moves, on a terminal and in a file."""

from __future__ import annotations

import io

import pytest

from trainer.loop.progress import Progress, duration


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (65.4, "1:05"), (3725, "1:02:05"), (90000, "25:00:00")])
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_a_file_gets_a_line_every_half_minute_with_rate_and_time_left() -> None:
    clock, stream = Clock(), io.StringIO()
    with Progress("text, epoch 1 of 3", 0, 100, 200, stream=stream, clock=clock) as progress:
        for _ in range(100):
            clock.now += 0.5
            progress.step(1.25)
    # 60 steps in 30 s; 40 of this epoch and 200 of the later ones are left: 240 steps at 2 a second
    assert stream.getvalue() == "text, epoch 1 of 3, step 60 of 100, loss 1.2500, 2.00 steps/s, 2:00 left\n"


def test_steps_of_an_earlier_sitting_count_as_done_but_not_for_the_rate() -> None:
    clock = Clock()
    progress = Progress("t", 50, 100, 0, stream=io.StringIO(), clock=clock)
    clock.now = 10.0
    progress.step(0.5)
    assert progress.line("loss 0.5000") == "t, step 51 of 100, loss 0.5000, 0.10 steps/s, 8:10 left"


def test_without_a_known_number_of_steps_no_time_is_promised() -> None:
    clock = Clock()
    progress = Progress("t", 0, None, 0, stream=io.StringIO(), clock=clock)
    clock.now = 2.0
    progress.step(0.5)
    assert progress.line("loss 0.5000") == "t, step 1, loss 0.5000, 0.50 steps/s"


def test_a_terminal_has_one_line_that_is_gone_at_the_end() -> None:
    clock, stream = Clock(), Terminal()
    with Progress("t", 0, 2, 0, stream=stream, clock=clock) as progress:
        clock.now += 1.0
        progress.step(0.5)
    assert "\n" not in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_other_things_than_steps_have_their_name_and_what_else_is_to_be_said() -> None:
    clock, stream = Clock(), io.StringIO()
    with Progress("vader", 0, 300, unit="text", stream=stream, clock=clock) as progress:
        clock.now = 60.0
        progress.update(120, "cost 0.02")
        clock.now = 120.0
        progress.update(240)
    assert stream.getvalue().splitlines() == [
        "vader, text 120 of 300, cost 0.02, 2.00 texts/s, 1:30 left", "vader, text 240 of 300, 2.00 texts/s, 0:30 left",
    ]  # fmt: skip


def test_how_many_there_are_may_be_known_later() -> None:
    clock = Clock()
    progress = Progress("features", 0, None, unit="utterance", stream=io.StringIO(), clock=clock)
    clock.now = 10.0
    progress.update(20, steps=40)
    assert progress.line("") == "features, utterance 20 of 40, 2.00 utterances/s, 0:10 left"


@pytest.mark.parametrize(("stream", "before"), [(io.StringIO(), ""), (Terminal(), "\r\x1b[K")])
def test_a_sentence_has_a_line_of_its_own(stream: io.StringIO, before: str) -> None:
    with Progress("t", 0, 2, stream=stream, clock=Clock()) as progress:
        progress.say("skipped: a.wav")
        assert stream.getvalue() == f"{before}livemerc-train: skipped: a.wav\n"


def test_the_other_processes_show_nothing() -> None:
    clock, stream = Clock(), Terminal()
    with Progress("t", 0, 2, 0, shown=False, stream=stream, clock=clock) as progress:
        clock.now += 100.0
        progress.step(0.5)
    assert not stream.getvalue()
