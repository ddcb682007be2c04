"""Which utterance's words are begun, and which are ready: the queue alone, with calls that the test ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from livemerc.audio.items import Utterance
from livemerc.pipeline.late_words import Call, LateWords
from livemerc.runtime.worker import Worker


def said(number: int, seconds: float = 1.0) -> Utterance:
    samples = np.zeros(round(seconds * 16_000), np.float32)
    return Utterance(f"u{number}", samples, 0.0, 0.0, seconds, seconds, False)


def seconds_of(utterance: Utterance) -> float:
    return len(utterance.samples) / 16_000


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker("test-late-words")
    yield worker
    worker.close()


def test_the_newest_that_may_come_in_time_is_begun() -> None:
    late: LateWords[str] = LateWords(seconds_of, try_every_s=1e9)
    for number, seconds in enumerate((1.0, 5.0, 2.0, 9.0)):
        late.put_off(said(number, seconds))
    chosen = late.choose(open_for_s=3.0)
    assert chosen is not None
    assert chosen.utterance_id == "u2"
    assert late.pending


def test_once_in_a_while_the_shortest_is_begun_whatever_it_takes() -> None:
    late: LateWords[str] = LateWords(seconds_of, try_every_s=0.0)
    for number, seconds in enumerate((7.0, 5.0, 9.0)):
        late.put_off(said(number, seconds))
    chosen = late.choose(open_for_s=0.1)
    assert chosen is not None
    assert chosen.utterance_id == "u1"


def test_a_call_in_progress_is_taken_when_it_has_ended_and_nothing_else_is_begun(worker: Worker) -> None:
    late: LateWords[str] = LateWords(seconds_of, try_every_s=0.0)
    go = threading.Event()
    late.keep(Call(said(1), worker.start(lambda: (go.wait(), "words")[1])))
    late.put_off(said(2))
    assert late.take() is None
    assert late.choose(open_for_s=10.0) is None
    go.set()
    assert late.call is not None
    assert late.call.job.wait() is None
    taken = late.take()
    assert taken is not None
    assert (taken.utterance.utterance_id, taken.job.result()) == ("u1", "words")
    assert late.pending  # u2
    late.prune(lambda _: False)
    assert not late.pending
