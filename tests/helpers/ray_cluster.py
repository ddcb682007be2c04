"""A Ray cluster on this machine for tests, with rooms on it."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from helpers.command_line import warm_server

NAME = "livemerc"
SETTINGS = {
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # workers run with this Python and what it has; nothing is installed anew
    "RAY_USAGE_STATS_ENABLED": "0",
    # Serve kills a proxy that has not answered in 5 s, which none does while all of a busy machine's cores load models
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "120",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "120",
}


def ray_or_skip() -> None:
    """Skips the module's tests where the extra is not installed."""
    pytest.importorskip("ray.serve", reason="Ray is not installed: `pip install -e '.[ray]'`")


@contextmanager
def cluster(cpus: int = 4) -> Iterator[None]:
    """Ray in this process and its children; none of these is left, nor anything else that Ray changes here."""
    import ray

    warm_server()  # so that it is there already: later tests need it, and it is none of Ray's
    others = set(psutil.Process().children(recursive=True))
    environment, on_term = dict(os.environ), signal.getsignal(signal.SIGTERM)
    os.environ |= SETTINGS
    try:
        ray.init(
            num_cpus=cpus, include_dashboard=False, object_store_memory=100_000_000, logging_level="error",
            log_to_driver=False,
        )  # fmt: skip
        yield
    finally:
        children = [one for one in psutil.Process().children(recursive=True) if one not in others]
        ray.shutdown()
        for left in psutil.wait_procs(children, timeout=30)[1]:
            left.kill()
        signal.signal(signal.SIGTERM, on_term)
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Served:
    """The rooms of one application, which may be deployed again."""

    def __init__(self, config: Path, journals: Path, **settings: Any) -> None:
        """config: livemerc's TOML. settings: of `livemerc.server.ray.settings`."""
        from ray import serve

        self.port = free_port()
        self.journals = journals
        serve.start(http_options={"host": "127.0.0.1", "port": self.port})
        self._settings = {"journals": str(journals), "config": str(config), "cpus": 0.1, "part_cpus": 0.1} | settings
        self.deploy()

    def deploy(self, **settings: Any) -> None:
        """Whoever is connected is moved to new replicas."""
        from ray import serve

        from livemerc.server.ray import app

        serve.run(app({key: str(value) for key, value in (self._settings | settings).items()}), name=NAME)

    def url(self, room: str) -> str:
        return f"http://127.0.0.1:{self.port}/rooms/{room}"


def replicas(deployment: str) -> list[psutil.Process]:
    """Processes of this test's replicas."""
    return children_called(f"ray::ServeReplica:{NAME}:{deployment}")


def children_called(name: str) -> list[psutil.Process]:
    """Processes of this test's cluster whose command has that in its first word."""
    found = []
    for one in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # also one that has ended, and that nobody has asked for its status
            if any(name in word for word in one.cmdline()[:1]):
                found.append(one)
    return found
