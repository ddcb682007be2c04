"""A process that holds torch and forks one of its own for every command: a command starts two CPU seconds earlier.

Of the libraries it has loaded torch and numpy, nothing of livemerc or the trainer. What a command is given and gives
(arguments, environment, folder, standard streams, exit code) is its own, as `python -m MODULE` would have it. Tests
of starting itself, of what is loaded, of signals and of terminals start `python -m livemerc` instead.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import runpy
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

REQUEST_BYTES = 1 << 20


class Warm:
    """Runs `python -m MODULE ARGUMENTS`, one at a time; `environ` is what the interpreter itself starts with."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._environ = environ
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, str(Path(__file__)), str(theirs.fileno())]
            self._server = subprocess.Popen(
                command, env=environ, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )

    def fits(self, environ: dict[str, str]) -> bool:
        """Whether a fresh interpreter and its libraries would start no differently with `environ`."""
        return all(
            environ.get(name) == self._environ.get(name)
            for name in environ.keys() | self._environ.keys()
            if name.startswith(("PYTHON", "OMP_", "LC_", "LANG"))
        )

    def run(
        self, module: str, arguments: list[str], environ: dict[str, str], folder: str, stdin: bytes, timeout_s: float
    ) -> subprocess.CompletedProcess[bytes]:
        """As subprocess.run(..., capture_output=True) has it, also where it takes longer than `timeout_s`."""
        request = json.dumps([module, arguments, environ, folder]).encode()
        with self._lock, contextlib.ExitStack() as stack:
            ours, theirs = zip(*(os.pipe() if n else reversed(os.pipe()) for n in range(3)), strict=True)
            streams = [stack.enter_context(open(fd, "rb" if n else "wb")) for n, fd in enumerate(ours)]
            socket.send_fds(self._socket, [request], theirs)
            for fd in theirs:
                os.close(fd)
            pid = int(self._socket.recv(100))
            timer = stack.enter_context(_after(timeout_s, lambda: os.kill(pid, 9)))
            out: list[bytes] = [b"", b"", b""]

            def read(number: int) -> None:
                out[number] = streams[number].read()

            threads = [threading.Thread(target=read, args=(n,)) for n in (1, 2)]
            threads.append(threading.Thread(target=_write, args=(streams[0], stdin)))
            for thread in threads:
                thread.start()
            code = int(self._socket.recv(100))
            for thread in threads:
                thread.join()
            command = [sys.executable, "-m", module, *arguments]
            if timer.is_set():
                raise subprocess.TimeoutExpired(command, timeout_s, out[1], out[2])
            return subprocess.CompletedProcess(command, code, out[1], out[2])

    def close(self) -> None:
        self._socket.close()
        self._server.wait()


@contextlib.contextmanager
def _after(timeout_s: float, act: Callable[[], None]) -> Any:
    """Calls `act` unless the block ends before; yields what is set then."""
    late = threading.Event()

    def acted() -> None:
        late.set()
        act()

    timer = threading.Timer(timeout_s, acted)
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()
        timer.join()


def _write(stream: IO[bytes], data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), stream:  # the command may leave unread what it was sent
        stream.write(data)


def _serve(requests: socket.socket) -> tuple[str, list[str]]:
    """Answers each request with the child's process id and exit status; returns in the child, with what to run."""
    while True:
        request, fds, _, _ = socket.recv_fds(requests, REQUEST_BYTES, 3)
        if not request:
            os._exit(0)  # the tests have ended
        pid = os.fork()
        if not pid:
            requests.close()
            module, arguments, environ, folder = json.loads(request)
            for n, fd in enumerate(fds):
                os.dup2(fd, n)
                os.close(fd)
            os.environ.clear()
            os.environ.update(environ)
            time.tzset()
            os.chdir(folder)
            sys.path[0] = folder
            return module, arguments
        for fd in fds:
            os.close(fd)
        requests.send(str(pid).encode())
        _, status = os.waitpid(pid, 0)
        requests.send(str(os.waitstatus_to_exitcode(status)).encode())


if __name__ == "__main__":
    import numpy  # noqa: F401 - held for the children
    import torch  # noqa: F401 - as above

    gc.freeze()  # what is loaded stays in pages that all of them share
    name, words = _serve(socket.socket(fileno=int(sys.argv[1])))
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115 - the command's own
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115 - as above
    sys.argv[1:] = words
    runpy.run_module(name, run_name="__main__", alter_sys=True)
