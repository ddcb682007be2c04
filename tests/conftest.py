"""Fixtures that every room's tests share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "e2e"))

from pulse import PulseServer, missing_for_pulse

PROJECT = Path(__file__).resolve().parent.parent
SHARED_DATA = PROJECT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real audio and corpora beside the project; the test skips where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no ../shared/data beside the project: real audio and corpora are not here")
    return SHARED_DATA


@pytest.fixture(scope="session")
def pulse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PulseServer]:
    """A private sound server with one silent room; the test skips, saying why, where it cannot run."""
    yield from _served(tmp_path_factory.mktemp("pulse"))


@pytest.fixture
def pulse_alone(tmp_path: Path) -> Iterator[PulseServer]:
    """One that the test may stop."""
    yield from _served(tmp_path)


def _served(folder: Path) -> Iterator[PulseServer]:
    missing = missing_for_pulse()
    if missing is not None:
        pytest.skip(f"microphone path not tried: {missing}")
    server = PulseServer(folder)
    try:
        yield server.start()
    finally:
        server.stop()
