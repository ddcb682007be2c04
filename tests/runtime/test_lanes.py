"""Lanes between threads: in order, bounded, nothing that must arrive is lost, closing and abandoning wake who waits."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from livemerc.runtime.lanes import Closed, Lane

PATIENCE_S = 60.0
"""How long a thread may take for what it does at once: a hang fails, a slow machine does not."""
MOMENT_S = 0.05
"""Long enough for a thread that should not wait to have gone on."""


class Worker:
    """A thread whose result, or what it raised, can be waited for."""

    def __init__(self, work: Callable[[], object]):
        self._work = work
        self.raised: BaseException | None = None
        self.result: object = None
        self.started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self.started.wait(PATIENCE_S)

    def _run(self) -> None:
        self.started.set()
        try:
            self.result = self._work()
        except Closed as closed:
            self.raised = closed

    def waits(self) -> bool:
        self._thread.join(MOMENT_S)
        return self._thread.is_alive()

    def ends(self) -> bool:
        self._thread.join(PATIENCE_S)
        return not self._thread.is_alive()


class LaneAgainstModel(RuleBasedStateMachine):
    """One thread, so nothing may wait: every call against a plain model of a queue with one place for the latest."""

    LIMIT = 4

    def __init__(self) -> None:
        super().__init__()
        self.lane: Lane[int] = Lane(self.LIMIT)
        self.items: deque[int] = deque()
        self.latest: int | None = None
        self.closed = self.abandoned = False

    @precondition(lambda self: len(self.items) < self.LIMIT and not self.abandoned)
    @rule(item=st.integers())
    def put(self, item: int) -> None:
        self.lane.put(item)
        self.items.append(item)
        self.latest = None

    @precondition(lambda self: self.abandoned)
    @rule(item=st.integers())
    def put_for_nobody(self, item: int) -> None:
        with pytest.raises(Closed):
            self.lane.put(item)

    @precondition(lambda self: not self.abandoned)
    @rule(item=st.integers())
    def put_latest(self, item: int) -> None:
        self.lane.put_latest(item)
        if not self.items:
            self.latest = item

    @rule()
    def get(self) -> None:
        if self.items:
            assert self.lane.get(0) == self.items.popleft()
        elif self.latest is not None:
            assert self.lane.get(0) == self.latest
            self.latest = None
        elif self.closed or self.abandoned:
            with pytest.raises(Closed):
                self.lane.get(0)
        else:
            assert self.lane.get(0) is None

    @rule()
    def close(self) -> None:
        self.lane.close()
        self.closed = True

    @rule()
    def abandon(self) -> None:
        self.lane.abandon()
        self.abandoned = True

    @invariant()
    def counts_what_it_holds(self) -> None:
        assert len(self.lane) == len(self.items) <= self.LIMIT


LaneAgainstModel.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestLaneAgainstModel = LaneAgainstModel.TestCase


def test_items_arrive_in_order_and_whole_through_a_lane_far_smaller_than_the_stream() -> None:
    lane: Lane[int] = Lane(3)

    def produce() -> None:
        for i in range(2000):
            lane.put(i)
        lane.close()

    producer = Worker(produce)
    received, most = [], 0
    for _ in range(2000):
        most = max(most, len(lane))
        received.append(lane.get(PATIENCE_S))
    assert received == list(range(2000))
    assert most <= 3
    assert producer.ends()
    with pytest.raises(Closed):
        lane.get(PATIENCE_S)


def test_finals_of_many_threads_all_arrive_whatever_partials_run_beside_them() -> None:
    lane: Lane[tuple[str, int, int]] = Lane(2)

    def produce(name: int) -> None:
        for i in range(300):
            lane.put_latest(("partial", name, i))
            lane.put(("final", name, i))

    producers = [Worker(lambda name=name: produce(name)) for name in range(3)]
    finals: list[tuple[str, int, int]] = []
    while len(finals) < 900:
        item = lane.get(PATIENCE_S)
        assert item is not None
        if item[0] == "final":
            finals.append(item)
    assert all(p.ends() for p in producers)
    for name in range(3):
        assert [i for _, n, i in finals if n == name] == list(range(300))


def test_put_waits_for_room_and_goes_on_when_something_is_taken() -> None:
    lane: Lane[int] = Lane(1)
    lane.put(1)
    putter = Worker(lambda: lane.put(2))
    assert putter.waits()
    assert lane.get() == 1
    assert putter.ends()
    assert putter.raised is None
    assert lane.get() == 2


def test_get_waits_for_an_item_and_is_woken_by_it() -> None:
    lane: Lane[int] = Lane(1)
    getter = Worker(lane.get)
    assert getter.waits()
    lane.put(7)
    assert getter.ends()
    assert getter.result == 7


def test_get_is_woken_by_a_partial_too() -> None:
    lane: Lane[int] = Lane(1)
    getter = Worker(lane.get)
    assert getter.waits()
    lane.put_latest(7)
    assert getter.ends()
    assert getter.result == 7


def test_get_gives_none_after_its_time_without_an_item() -> None:
    assert Lane(1).get(0.01) is None


def test_a_newer_partial_supersedes_the_one_that_nobody_took() -> None:
    lane: Lane[str] = Lane(1)
    lane.put_latest("he")
    lane.put_latest("hello")
    assert lane.get(0) == "hello"
    assert lane.get(0) is None


def test_a_final_supersedes_the_partial_before_it() -> None:
    lane: Lane[str] = Lane(1)
    lane.put_latest("hel")
    lane.put("hello there")
    assert lane.get(0) == "hello there"
    assert lane.get(0) is None


def test_a_partial_behind_waiting_finals_is_dropped_at_once_and_never_waits() -> None:
    lane: Lane[str] = Lane(1)
    lane.put("final")
    lane.put_latest("partial")  # would hang here if it waited for room
    assert lane.get(0) == "final"
    assert lane.get(0) is None


def test_a_closed_lane_gives_what_it_holds_and_then_says_so_again_and_again() -> None:
    lane: Lane[int] = Lane(4)
    for i in range(3):
        lane.put(i)
    lane.close()
    assert [lane.get(), lane.get(), lane.get()] == [0, 1, 2]
    for _ in range(2):
        with pytest.raises(Closed):
            lane.get()


def test_a_closed_lane_still_gives_its_partial() -> None:
    lane: Lane[int] = Lane(1)
    lane.put_latest(5)
    lane.close()
    assert lane.get() == 5
    with pytest.raises(Closed):
        lane.get()


def test_a_lane_is_finished_when_it_is_closed_and_only_a_partial_is_left() -> None:
    lane: Lane[int] = Lane(1)
    lane.put(1)
    lane.close()
    assert not lane.finished
    lane.get()
    assert lane.finished
    other: Lane[int] = Lane(1)
    assert not other.finished
    other.put_latest(5)
    other.close()
    assert other.finished


def test_closing_wakes_every_reader() -> None:
    lane: Lane[int] = Lane(1)
    readers = [Worker(lane.get) for _ in range(3)]
    assert all(r.waits() for r in readers)
    lane.close()
    assert all(r.ends() for r in readers)
    assert all(isinstance(r.raised, Closed) for r in readers)


def test_abandoning_wakes_every_writer_that_waits_for_room() -> None:
    lane: Lane[int] = Lane(1)
    lane.put(0)
    writers = [Worker(lambda i=i: lane.put(i)) for i in range(3)]
    assert all(w.waits() for w in writers)
    lane.abandon()
    assert all(w.ends() for w in writers)
    assert all(isinstance(w.raised, Closed) for w in writers)


def test_a_partial_for_nobody_is_swallowed() -> None:
    lane: Lane[int] = Lane(1)
    lane.abandon()
    lane.put_latest(1)
    with pytest.raises(Closed):
        lane.get()
