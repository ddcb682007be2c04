"""An asynchronous iterator, for whoever is not: it runs in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

_WAITING = 4096
_LOOK_S = 0.2
_FULL_S = 0.05
_CLOSE_WITHIN_S = 5.0


class _Over(Exception):
    """The iterator has come to its end; a type of its own, so that nothing it raises is taken for that."""


class Incoming(Iterator[T], Generic[T]):
    """What an asynchronous iterator gives, which runs in a thread of its own until it ends, raises or is closed.

    One thread takes items; any may `close`. Leaving it as a context manager closes it.
    """

    def __init__(self, make: Callable[[], AsyncGenerator[T, None]]) -> None:
        self._make = make
        self._items: queue.Queue[T | BaseException] = queue.Queue(_WAITING)
        self._closed = threading.Event()
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Task[None]] | None = None
        self._thread = threading.Thread(target=self._run, name="livemerc-client", daemon=True)
        self._thread.start()

    def __enter__(self) -> Incoming[T]:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __next__(self) -> T:
        while True:
            try:
                item = self._items.get(timeout=_LOOK_S)
            except queue.Empty:
                if self._closed.is_set():
                    raise StopIteration from None
                continue
            if isinstance(item, BaseException):
                self.close()
                if isinstance(item, _Over):
                    raise StopIteration
                raise item
            return item

    def close(self) -> None:
        """Leaves at once; idempotent."""
        self._closed.set()
        if self._running is not None:
            loop, task = self._running
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(task.cancel)
        if self._thread is not threading.current_thread():
            self._thread.join(_CLOSE_WITHIN_S)

    def _run(self) -> None:
        end: BaseException = _Over()
        try:
            asyncio.run(self._take())
        except asyncio.CancelledError:
            pass  # whoever took the items has left
        except BaseException as error:  # noqa: BLE001 - the boundary of a thread: raised again where items are taken
            end = error
        self._put(end)

    async def _take(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running = asyncio.get_running_loop(), task
        if self._closed.is_set():
            return
        async with contextlib.aclosing(self._make()) as items:
            async for item in items:
                while not self._closed.is_set():
                    try:
                        self._items.put_nowait(item)
                        break
                    except queue.Full:
                        await asyncio.sleep(_FULL_S)

    def _put(self, end: BaseException) -> None:
        while not self._closed.is_set():
            with contextlib.suppress(queue.Full):
                self._items.put(end, timeout=_LOOK_S)
                return
