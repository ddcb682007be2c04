"""A terminal in the room of the private sound server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.paths import PROJECT
from helpers.pulse import PulseServer
from helpers.tmux import Tmux


@pytest.fixture
def terminal(tmp_path: Path, pulse: PulseServer) -> Iterator[Tmux]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed: no terminal to look at")
    with Tmux(tmp_path / "tmux", pulse.env | {"PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"}) as terminal:
        yield terminal
