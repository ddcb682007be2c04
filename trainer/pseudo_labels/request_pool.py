"""Many requests under way at once: retries, back-off, Retry-After, and when a run is given up.

The `openai` client's own retries are off: they cannot be seen from outside, so one request told to wait would not hold
back the others, back-off ends at 8 s, a Retry-After above two minutes is not waited for, and an empty quota (429 too)
is tried again like a full minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import math
import random
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

from livemerc.errors import LivemercError
from trainer.pseudo_labels.options import PseudoLabelOptions
from trainer.pseudo_labels.teachers import Answer, Record, Teacher

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
LONGEST_RETRY_AFTER_S = 900.0
"""An endpoint that asks for more has run out of something that waiting in a loop does not mend."""
FIRST_TRIES = 3
"""Tries while nothing was ever heard of this endpoint: most likely the address is wrong."""


class Fatal(Exception):
    """Going on is pointless; the message is the sentence."""


class Transient(Exception):
    """Worth another try, after `retry_after_s` where the endpoint gave a time.

    `heard`: something is there; `limited`: it answers, but not so fast.
    """

    def __init__(
        self, what: str, retry_after_s: float | None = None, *, heard: bool = True, limited: bool = False
    ) -> None:
        super().__init__(what)
        self.retry_after_s = retry_after_s
        self.heard, self.limited = heard, limited


class RequestPool:
    """Workers that share one queue, one pause and one count of failures; one event loop, so there are no locks."""

    def __init__(
        self,
        teacher: Teacher,
        ask: Callable[[str], Awaitable[Answer]],
        options: PseudoLabelOptions,
        who: str,
        texts: Sequence[str],
        record: Record,
        forget: Callable[[Sequence[int]], None],
    ) -> None:
        """`ask` sends one request of `teacher`'s and raises `Transient` and `Fatal`; `who`: how sentences begin."""
        self._teacher, self._ask, self._options, self._who = teacher, ask, options, who
        self._texts, self._record, self._forget = texts, record, forget
        self._queue: Iterator[int] = iter(range(len(texts)))
        self._not_before_s = 0.0
        self._streak: list[tuple[int, str]] = []  # texts in a row without a useful answer, and why
        self._rejected_only = True
        self._heard = False
        self._answers = 0
        self.given_up: list[int] = []
        self.fatal: str | None = None
        self.broken: LivemercError | None = None  # the journal, not the endpoint
        self.interrupted = False

    async def run(self) -> None:
        self._stop = asyncio.Event()
        with self._signals():
            # The first request goes alone, so that a wrong key or address costs one request, not one for each worker.
            await self._one(next(self._queue))
            if not self._heard and self._streak:
                self._give_in()
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._options.concurrency, len(self._texts) - 1)):
                    group.create_task(self._work())
        if self._rejected_only and self._streak and not (self._teacher.proven or self.interrupted):
            self._give_in()  # a handful of texts, none of them answered

    async def _work(self) -> None:
        for index in self._queue:
            if self._stop.is_set():
                return
            await self._one(index)

    async def _one(self, index: int) -> None:
        try:
            answer = await self._with_retries(self._texts[index])
        except Fatal as error:
            self.fatal = self.fatal or str(error)
            self._stop.set()
            return
        except Transient as error:
            self.given_up.append(index)
            self._teacher.last_failure = f"{self._who} {error}"
            self._count(index, str(error))
            return
        if answer is None:  # stopped while waiting
            return
        try:
            self._record([(index, answer)])
        except LivemercError as error:
            self.broken = error
            self._stop.set()
            return
        if answer.status == "rejected":
            self._count(index, f"rejects the text ({answer.raw})")
        else:
            self._streak.clear()
            self._rejected_only = False

    def _count(self, index: int, why: str) -> None:
        self._streak.append((index, why))
        if len(self._streak) >= self._options.stop_after:
            self._give_in()

    def _give_in(self) -> None:
        """Stops the run. Rejections in a row say something of the settings, not of their texts: they are taken back."""
        if self.fatal is None:
            n = len(self._streak)
            self.fatal = (
                f"{self._who} {self._streak[-1][1]}; {n} text{'s' * (n > 1)} in a row "
                "without an answer: see that it runs, and check --base-url and --model"
            )
        self._forget([index for index, _ in self._streak])
        self._stop.set()

    async def _with_retries(self, text: str) -> Answer | None:
        """The answer, after as many tries as it takes; None when the run stops meanwhile."""
        attempt, answers = 0, self._answers
        while True:
            await self._pause(self._not_before_s - time.monotonic())
            if self._stop.is_set():
                return None
            try:
                answer = await self._ask(text)
            except Transient as error:
                self._heard = self._heard or error.heard
                if error.limited and self._answers > answers:
                    attempt = 0  # while others are answered a rate limit is no failure: this text's turn comes
                answers = self._answers
                retries = self._options.retries
                if attempt >= (retries if self._heard else min(retries, FIRST_TRIES - 1)):
                    raise
                await self._back_off(attempt, error)
                attempt += 1
            else:
                self._heard = True
                self._answers += 1
                return answer
            if not self._stop.is_set():
                self._teacher.retries += 1

    async def _back_off(self, attempt: int, error: Transient) -> None:
        longest_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0**attempt)
        # Jitter: what failed together does not come back together.
        pause_s = longest_s * random.uniform(0.5, 1.0)
        if error.retry_after_s is not None:
            if error.retry_after_s > LONGEST_RETRY_AFTER_S:
                raise Fatal(f"{self._who} {error} and asks to wait {error.retry_after_s:.0f} s; try again then")
            # Nobody asks earlier than the endpoint said, and all workers wait.
            self._not_before_s = max(self._not_before_s, time.monotonic() + error.retry_after_s)
            pause_s = error.retry_after_s + random.uniform(0.0, min(1.0, error.retry_after_s / 4))
        await self._pause(pause_s)

    async def _pause(self, seconds: float) -> None:
        """Ends early when the run stops."""
        if seconds > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), seconds)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """The first Ctrl+C lets open requests end and keeps their answers; the second one is not caught."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)

        def stop() -> None:
            self.interrupted = True
            self._stop.set()
            for number in numbers:
                loop.remove_signal_handler(number)

        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl+C cancels at once
            for number in numbers:
                loop.add_signal_handler(number, stop)
        try:
            yield
        finally:
            with contextlib.suppress(NotImplementedError):
                for number in numbers:
                    loop.remove_signal_handler(number)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from `retry-after-ms` or `Retry-After` (RFC 9110: seconds or a date); None where neither helps."""
    for name, divisor in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        with contextlib.suppress(KeyError, ValueError):
            seconds = float(headers[name]) / divisor
            if math.isfinite(seconds) and seconds >= 0:
                return seconds
    with contextlib.suppress(KeyError, ValueError):
        date = email.utils.parsedate_to_datetime(headers["retry-after"])
        return max(0.0, date.timestamp() - time.time())
    return None
