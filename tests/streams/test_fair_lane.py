"""Streams in turn: order within each, nobody overtaken twice, and a full stream holds up itself alone."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livemerc.runtime.lanes import Closed
from livemerc.streams.fair_lane import FairLane


def filled(items: list[tuple[str, int]]) -> FairLane[int]:
    lane: FairLane[int] = FairLane(1000)
    for stream, item in items:
        lane.put(stream, item)
    lane.close()
    return lane


def drained(lane: FairLane[int], most: int) -> list[list[tuple[str, int]]]:
    batches = []
    while True:
        try:
            batches.append(lane.take(most))
        except Closed:
            return batches


def test_one_that_pours_does_not_starve_one_that_drips() -> None:
    lane = filled([("flood", i) for i in range(100)] + [("drip", 0)])
    assert lane.take(1) == [("flood", 0)]
    assert lane.take(1) == [("drip", 0)]
    assert lane.waiting() == {"flood": 99}


def test_one_that_can_wait_gives_way() -> None:
    lane: FairLane[int] = FairLane(1000)
    for item in range(3):
        lane.put("file", item, patient=True)
    for item in range(2):
        lane.put("live", item)
    assert [lane.take(1) for _ in range(5)] == [
        [("live", 0)], [("live", 1)], [("file", 0)], [("file", 1)], [("file", 2)],
    ]  # fmt: skip
    lane.put("file", 3, patient=True)
    lane.put("live", 2)
    assert lane.take(2) == [("live", 2), ("file", 3)]


def test_what_is_superseded_comes_while_nothing_else_waits() -> None:
    lane: FairLane[int] = FairLane(1000)
    lane.put_latest("a", 0)
    lane.put_latest("b", 1)
    lane.put_latest("a", 2)
    lane.put("c", 3)
    assert [lane.take(5) for _ in range(3)] == [[("c", 3)], [("a", 2)], [("b", 1)]]
    lane.put_latest("a", 4)
    lane.put("a", 5)
    assert lane.take(5) == [("a", 5)]
    assert lane.take(5, 0.0) == []


STREAMS = st.sampled_from("abcde")


@given(st.lists(st.tuples(STREAMS, st.integers()), max_size=80), st.integers(1, 6))
def test_everything_comes_once_in_its_streams_order_and_once_a_batch(items: list[tuple[str, int]], most: int) -> None:
    batches = drained(filled(items), most)
    for batch in batches:
        assert 1 <= len(batch) <= most
        assert max(Counter(stream for stream, _ in batch).values()) == 1
    for stream in "abcde":
        came = [item for batch in batches for name, item in batch if name == stream]
        assert came == [item for name, item in items if name == stream]


@given(st.lists(STREAMS, max_size=80))
def test_nobody_is_served_twice_while_another_waits(streams: list[str]) -> None:
    lane = filled([(stream, i) for i, stream in enumerate(streams)])
    left = Counter(streams)
    since: Counter[str] = Counter()
    while left:
        ((stream, _),) = lane.take(1)
        since[stream] += 1
        left -= Counter([stream])
        waiting = [name for name in left if name != stream]
        assert all(since[stream] <= since[name] + 1 for name in waiting)


def test_a_full_stream_waits_and_the_others_do_not() -> None:
    lane: FairLane[int] = FairLane(1)
    lane.put("full", 0)
    done = threading.Event()

    def put() -> None:
        lane.put("full", 1)
        done.set()

    thread = threading.Thread(target=put)
    thread.start()
    lane.put("other", 0)
    assert not done.is_set()
    assert lane.take(5) == [("full", 0), ("other", 0)]
    assert done.wait(60)
    thread.join()
    assert lane.take(5) == [("full", 1)]


def test_an_abandoned_lane_wakes_who_puts_and_who_takes() -> None:
    lane: FairLane[int] = FairLane(1)
    lane.put("full", 0)
    woken = []

    def put() -> None:
        with pytest.raises(Closed):
            lane.put("full", 1)
        woken.append(True)

    thread = threading.Thread(target=put)
    thread.start()
    lane.abandon()
    thread.join(60)
    assert woken == [True]
    with pytest.raises(Closed):
        lane.take(1)
