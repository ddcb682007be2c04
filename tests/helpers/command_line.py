"""`livemerc` as a user starts it: a process of its own."""

from __future__ import annotations

import atexit
import functools
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from helpers.paths import PROJECT
from helpers.warm import Warm

NOBODYS = Path(tempfile.gettempdir()) / "livemerc-tests-nobody"
"""Nothing lies there: the settings and models of whoever runs the tests are not theirs."""
SETTINGS = {
    "XDG_CONFIG_HOME": str(NOBODYS / "config"),
    "XDG_DATA_HOME": str(NOBODYS / "data"),
    "HF_HOME": str(NOBODYS / "huggingface"),
}


def environment(home: Path | None = None, **extra: str) -> dict[str, str]:
    """The caller's environment without this machine's own settings; `home` holds configuration and caches."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("LIVEMERC_", "HF_", "XDG_"))}
    env |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT), "TERM": "dumb", **SETTINGS}
    if home is not None:
        env |= {
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_DATA_HOME": str(home / "data"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "HF_HOME": str(home / "huggingface"),
        }
    return env | extra


def livemerc(
    *arguments: str | Path,
    env: dict[str, str] | None = None,
    prefix: tuple[str, ...] = (),
    stdin: bytes = b"",
    timeout_s: float = 120.0,
) -> subprocess.CompletedProcess[bytes]:
    """`livemerc ARGUMENTS` to its end."""
    return finished("livemerc", *arguments, env=env, prefix=prefix, stdin=stdin, timeout_s=timeout_s)


def finished(
    module: str,
    *arguments: str | Path,
    env: dict[str, str] | None = None,
    prefix: tuple[str, ...] = (),
    stdin: bytes = b"",
    folder: Path | None = None,
    timeout_s: float = 120.0,
) -> subprocess.CompletedProcess[bytes]:
    """`python -m MODULE ARGUMENTS` to its end, in a process of its own; from one that holds torch where it may be."""
    words = [str(argument) for argument in arguments]
    env = environment() if env is None else env
    # the command line sets the policy itself, before torch could load
    if not prefix and os.name == "posix" and warm_server().fits({"OMP_WAIT_POLICY": "PASSIVE"} | env):
        return warm_server().run(module, words, env, str(folder or Path.cwd()), stdin, timeout_s)
    return subprocess.run(
        [*prefix, sys.executable, "-m", module, *words],
        cwd=folder,
        input=stdin,
        capture_output=True,
        env=env,
        timeout=timeout_s,
        check=False,
    )


@functools.cache
def warm_server() -> Warm:
    """This process's own, begun when it is first asked for."""
    warm = Warm(environment(OMP_WAIT_POLICY="PASSIVE"))
    atexit.register(warm.close)
    return warm


def sentence(done: subprocess.CompletedProcess[bytes]) -> str:
    """What stderr says, which must be one line that begins with the program's name, and no traceback."""
    text = done.stderr.decode()
    lines = text.splitlines()
    assert len(lines) == 1, text
    assert lines[0].startswith("livemerc: "), text
    assert "Traceback" not in text
    return lines[0]


def start(*arguments: str | Path) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """`livemerc` with these arguments, as `running` has it."""
    return running([sys.executable, "-m", "livemerc", *map(str, arguments)], env=environment())


@contextmanager
def running(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A process with piped output and no input, unless `options` (of `Popen`) say otherwise.

    Whatever becomes of the test, in the end it is killed if it still runs, and its pipes are closed: left to the
    garbage collector they fail the test in which they happen to be collected.
    """
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **{**streams, **options}) as process:
        try:
            yield process
        finally:
            process.kill()
