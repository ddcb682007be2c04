"""A part at arm's length: its calls run on a thread of their own, and whoever waits for one may give up.

Native code cannot be interrupted. A call that hangs therefore costs its own thread and nothing else: the caller goes
on, the part counts as busy until the call comes back, and a daemon thread does not keep the process.
"""

from __future__ import annotations

import queue
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

GiveUp = Callable[[float], R | None]
"""Asked while a call is waited for, with the seconds that it has run: the reason to wait no longer, or None."""

_ASK_EVERY_S = 0.02
"""A call that is over sooner is never given up on: a recogniser that only looks words up is not behind."""
_JOIN_FOR_S = 1.0


def never(_: float) -> None:
    """Waits for as long as it takes."""
    return


class Job(Generic[T]):
    """One call. `result()` gives what it returned or raises what it raised, once `done`."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work: Callable[[], T] | None = work
        self._ended = threading.Event()
        self._result: T
        self._error: BaseException | None = None
        self.began_s = time.monotonic()

    @property
    def done(self) -> bool:
        return self._ended.is_set()

    @property
    def ran_s(self) -> float:
        """Seconds since it was asked for."""
        return time.monotonic() - self.began_s

    def wait(self, give_up: GiveUp[R] = never) -> R | None:
        """None when it is done, else why nobody waits any more. What `give_up` raises ends the wait too."""
        while not self._ended.wait(_ASK_EVERY_S):
            reason = give_up(self.ran_s)
            if reason is not None:
                return reason
        return None

    def result(self) -> T:
        assert self.done
        if self._error is not None:
            raise self._error
        return self._result

    def run(self) -> None:
        """For the worker's thread."""
        work, self._work = self._work, None  # what it holds of audio goes with it
        assert work is not None
        try:
            self._result = work()
        except BaseException as error:  # noqa: BLE001 - the boundary of a thread: raised again where it is asked for
            self._error = error
        finally:
            del work
            self._ended.set()


class Worker:
    """One thread for one part; one call at a time. The thread begins with the first call, and ends with the object."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[Job[Any] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._job: Job[Any] | None = None
        weakref.finalize(self, self._jobs.put, None)  # the thread goes with whoever forgot to close it

    @property
    def busy(self) -> bool:
        """Whether a call runs that has not come back."""
        return self._job is not None and not self._job.done

    @property
    def ran_s(self) -> float:
        """How long the present call has run, 0 if there is none."""
        return self._job.ran_s if self._job is not None and not self._job.done else 0.0

    def start(self, work: Callable[[], T]) -> Job[T]:
        """Begins a call; the worker must not be busy."""
        if self.busy:
            raise RuntimeError(f"{self._name} is busy: one call at a time")
        if self._thread is None:
            self._thread = threading.Thread(target=_serve, args=(self._jobs,), name=self._name, daemon=True)
            self._thread.start()
        job = Job(work)
        self._job = job
        self._jobs.put(job)
        return job

    def until_free(self, give_up: GiveUp[R]) -> R | None:
        """Waits for a call that somebody gave up on. None when the worker is free."""
        return None if self._job is None else self._job.wait(give_up)

    def close(self) -> None:
        """The thread ends after its present call, which is not waited for. Idempotent."""
        self._jobs.put(None)
        if self._thread is not None and not self.busy and self._thread is not threading.current_thread():
            self._thread.join(_JOIN_FOR_S)


def _serve(jobs: queue.SimpleQueue[Job[Any] | None]) -> None:
    while (job := jobs.get()) is not None:
        job.run()
        del job
