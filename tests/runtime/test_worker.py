"""A call that hangs costs its own thread and nothing else."""

from __future__ import annotations

import gc
import threading
import time

import pytest

from livemerc.runtime.worker import Worker

PATIENCE_S = 60.0


def gone(name: str) -> bool:
    until_s = time.monotonic() + PATIENCE_S
    while any(thread.name == name for thread in threading.enumerate()):
        if time.monotonic() > until_s:
            return False
        time.sleep(0.01)
    return True


def test_what_a_call_returns_or_raises_comes_back() -> None:
    worker = Worker("guard-test")
    job = worker.start(lambda: threading.current_thread().name)
    assert job.wait() is None
    assert job.result() == "guard-test"
    failing = worker.start(lambda: 1 // 0)
    assert failing.wait() is None
    with pytest.raises(ZeroDivisionError):
        failing.result()
    assert worker.start(lambda: 7).wait() is None  # a failure does not cost the thread
    worker.close()
    assert gone("guard-test")


def test_a_call_that_hangs_can_be_given_up_on_and_waited_for_again() -> None:
    worker, held = Worker("guard-hang"), threading.Event()
    job = worker.start(held.wait)
    assert job.wait(lambda ran_s: "enough" if ran_s > 0.1 else None) == "enough"
    assert worker.busy
    assert worker.ran_s >= 0.1
    assert worker.until_free(lambda _: "still at it") == "still at it"
    with pytest.raises(RuntimeError, match="one call at a time"):
        worker.start(lambda: None)
    began_s = time.monotonic()
    worker.close()
    assert time.monotonic() - began_s < PATIENCE_S  # does not wait for it
    held.set()
    assert job.wait() is None
    assert job.result() is True
    assert gone("guard-hang")


def test_what_is_raised_while_waiting_ends_the_wait() -> None:
    worker, held = Worker("guard-wait"), threading.Event()

    def nobody(_: float) -> str | None:
        raise LookupError

    job = worker.start(held.wait)
    with pytest.raises(LookupError):
        job.wait(nobody)
    held.set()
    worker.close()
    assert gone("guard-wait")


def test_a_worker_that_nobody_closed_ends_with_its_owner() -> None:
    worker = Worker("guard-owner")
    worker.start(lambda: None).wait()
    del worker
    gc.collect()
    assert gone("guard-owner")


def test_a_finished_call_holds_nothing_of_what_it_was_given() -> None:
    import weakref

    class Audio:
        pass

    worker, audio = Worker("guard-memory"), Audio()
    seen = weakref.ref(audio)
    job = worker.start(lambda a=audio: None)
    assert job.wait() is None
    del audio
    gc.collect()
    assert seen() is None
    worker.close()
